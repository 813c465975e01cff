"""TLS: who is let in, and certificates that change while the server runs."""

import asyncio
import contextlib
import shutil
import ssl
import time

import pytest
from cryptography.hazmat.primitives import serialization
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest
from loguru import logger

import stigmer.tls
from stigmer import ConfigurationError
from stigmer.client import SessionClient
from stigmer.testing import serving
from stigmer.testing.certificates import Authority
from stigmer.tls import Tls, TlsFiles


@pytest.fixture
def authority(tmp_path):
    """Vouches for the server and for its clients."""
    return Authority(tmp_path)


@pytest.fixture
def stranger(tmp_path):
    """Another authority."""
    return Authority(tmp_path, "stranger")


@pytest.fixture
def files(authority, tmp_path):
    """The server's files, which a test may replace: certificate, key, and whom it trusts."""
    return replaced({name: tmp_path / f"server-{name}" for name in ("certificate", "key", "ca")}, authority)


def replaced(files, authority, trusted=None):
    """Puts a new certificate of ``authority`` in place of the server's."""
    issued = authority.issue("server")
    for name, path in zip(("certificate", "key", "ca"), (*issued, (trusted or authority).certificate), strict=True):
        shutil.copy(path, files[name].with_suffix(".new"))
        files[name].with_suffix(".new").replace(files[name])
    return files


def settings(files, **more):
    return {"tls_certificate": files["certificate"], "tls_key": files["key"], **more}


def mutual(files, **more):
    return settings(files, tls_client_ca=files["ca"], **more)


def context(authority, issued=None, *protocols):
    made = ssl.create_default_context(cafile=str(authority.certificate))
    made.set_alpn_protocols(list(protocols or ["h2"]))
    if issued is not None:
        made.load_cert_chain(*issued)
    return made


async def calls(app, tls):
    """Whether a client with this context is answered."""
    host, port = app.address.rsplit(":", 1)
    async with Channel(host, int(port), ssl=tls) as channel:
        try:
            await HealthStub(channel).Check(HealthCheckRequest(), timeout=10)
        except (OSError, StreamTerminatedError):
            return False
        return True


@contextlib.asynccontextmanager
async def connected(app, tls):
    """A connection on which nothing was said yet."""
    host, port = app.address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    try:
        yield reader, writer.get_extra_info("ssl_object")
    finally:
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


async def serial(app, tls):
    """The number of the certificate that the server shows."""
    async with connected(app, tls) as (_, ssl_object):
        return ssl_object.getpeercert()["serialNumber"]


async def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def lines():
    """What is logged."""
    found = []
    sink = logger.add(found.append, format="{level}|{message}")
    yield found
    logger.remove(sink)


async def test_calls_are_answered(files, authority):
    """HTTP/2 is spoken over TLS, and nothing else."""
    async with serving(**settings(files)) as app:
        assert await calls(app, context(authority))
        assert not await calls(app, None)
        async with connected(app, context(authority)) as (_, ssl_object):
            assert ssl_object.selected_alpn_protocol() == "h2"
            assert ssl_object.version() == "TLSv1.3"


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c"])
async def test_other_protocols_are_dropped(files, authority, protocol):
    """A client that speaks something else is not spoken to."""
    async with serving(**settings(files)) as app, connected(app, context(authority, None, protocol)) as (reader, _):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_old_versions(files, authority):
    """TLS 1.2 has the ciphers that HTTP/2 may use; without them there is no connection."""
    old = context(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    weak = context(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    async with serving(**settings(files)) as app:
        assert await calls(app, old)
        assert not await calls(app, weak)


async def test_who_does_not_shake_hands(files):
    """A client that connects and says nothing is not waited for."""
    async with serving(**settings(files), limits={"handshake_seconds": 0.2}) as app:
        host, port = app.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_the_key_may_be_in_the_same_file(files, authority):
    """One file may hold certificate and key."""
    files["certificate"].write_bytes(files["certificate"].read_bytes() + files["key"].read_bytes())
    async with serving(tls_certificate=files["certificate"]) as app:
        assert await calls(app, context(authority))


async def test_unix_sockets_stay_plain(files, authority, tmp_path, monkeypatch):
    """TLS is for HOST:PORT; who can connect to a unix socket is on this machine."""
    monkeypatch.chdir(tmp_path)
    async with serving(listen="127.0.0.1:0,unix:s.sock", **settings(files)) as app, SessionClient("unix:s.sock") as client:
        assert await calls(app, context(authority))
        await client.list()


@pytest.mark.parametrize(("who", "answered"), [("ours", (True, True)), ("theirs", (False, False)), ("nobody", (False, True))])
async def test_clients_show_certificates(files, authority, stranger, who, answered):
    """A client needs a certificate of the authority; where it is optional none will do too, but not a stranger's."""
    shown = {"ours": authority, "theirs": stranger}.get(who)
    tls = context(authority, shown and shown.issue("client"))
    for mode, expected in zip(("required", "optional"), answered, strict=True):
        async with serving(**mutual(files, tls_client=mode)) as app:
            assert await calls(app, tls) is expected


async def test_new_certificates_are_for_new_connections(files, authority):
    """After a reload new connections get the new certificate, and those that are open go on."""
    tls = context(authority)
    async with serving(**settings(files)) as app, SessionClient(app.address, ssl=tls) as client:
        await client.list()
        before = await serial(app, tls)
        replaced(files, authority)
        assert await serial(app, tls) == before
        app.reload()
        assert await serial(app, tls) != before
        await client.list()
        assert app.statistics.connections == 1


async def test_a_new_authority_replaces_the_old_one(files, authority, stranger):
    """Once the clients' authority is another, certificates of the old one open nothing, sessions begun with them neither."""
    old, new = context(authority, authority.issue("client")), context(authority, stranger.issue("client"))
    async with serving(**mutual(files)) as app:
        assert (await calls(app, old), await calls(app, new)) == (True, False)
        replaced(files, authority, trusted=stranger)
        app.reload()
        assert (await calls(app, old), await calls(app, new)) == (False, True)


async def test_sessions_do_not_outlive_their_authority(files, authority, stranger):
    """A TLS session is resumed under the files it began with, and not under others."""
    tls = context(authority, authority.issue("client"))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # whose sessions are there once the handshake is over
    async with serving(**mutual(files)) as app:
        resumed = await asyncio.to_thread(reused_sessions, app.address, tls, lambda: None)
        assert resumed == [False, True]
        trust = lambda: (replaced(files, authority, trusted=stranger), app.reload())  # noqa: E731 - one expression, said once
        assert await asyncio.to_thread(reused_sessions, app.address, tls, trust) == [False, None]


def reused_sessions(address, tls, between):
    """Whether a connection, and one after it with its session, resumed one; None when it was refused."""
    import socket

    host, port = address.rsplit(":", 1)
    found, session = [], None
    for _ in range(2):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            try:
                with tls.wrap_socket(sock, server_hostname=host, session=session) as wrapped:
                    found.append(wrapped.session_reused)
                    session = wrapped.session
            except (ssl.SSLError, ConnectionError):
                found.append(None)
        between()
    return found


@pytest.fixture
def looks(monkeypatch):
    """Files are looked at all the time; grows with each look."""
    found, look = [], stigmer.tls._signature
    monkeypatch.setattr("stigmer.tls._LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr("stigmer.tls._signature", lambda files: found.append(None) or look(files))
    return found


async def test_changed_files_are_noticed(files, authority, looks):
    """A certificate that was replaced is used without anybody saying so."""
    tls = context(authority)
    async with serving(**settings(files)) as app:
        before = await serial(app, tls)
        replaced(files, authority)
        enough = len(looks) + 2
        await until(lambda: len(looks) > enough)
        assert await serial(app, tls) != before


@pytest.mark.parametrize("name", ["certificate", "key", "ca"])
async def test_a_broken_file_changes_nothing(files, authority, looks, lines, name):
    """While a new file is broken the old ones stay in use, and the log says so once; when it is mended it counts."""
    tls = context(authority, authority.issue("client"))
    async with serving(**mutual(files)) as app:
        before, kept = await serial(app, tls), files[name].read_bytes()
        files[name].write_text("no PEM\n")

        await until(lambda: lines)
        enough = len(looks) + 5
        await until(lambda: len(looks) > enough)
        assert await serial(app, tls) == before
        assert len(lines) == 1
        assert lines[0].startswith("ERROR|TLS goes on with the files as they were: tls_")
        files[name].write_bytes(kept)

        await until(lambda: lines[1:] == ["INFO|TLS uses the files as they are now\n"])
        assert await calls(app, tls)


def encrypted(key):
    """The key, such that a password is needed for it."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    protection = serialization.BestAvailableEncryption(b"secret")
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("certificate", None, r"tls_certificate \S+: No such file or directory"),
        ("key", None, r"tls_key \S+: No such file or directory"),
        ("ca", None, r"tls_client_ca \S+: No such file or directory"),
        ("certificate", b"", r"tls_certificate \S+: it holds no certificate in PEM with its chain, or its key is none"),
        ("key", b"?", r"tls_certificate \S+: it holds no certificate in PEM with its chain, or its key is none"),
        ("ca", b"", r"tls_client_ca \S+: it holds no certificate in PEM"),
    ],
)
def test_files_that_are_refused(files, name, content, text):
    """A file that is missing or not what it should be refuses the start, in one line that names it."""
    files[name].unlink() if content is None else files[name].write_bytes(content)
    with pytest.raises(ConfigurationError, match=text):
        Tls(TlsFiles(files["certificate"], files["key"], files["ca"]))


def test_a_key_that_is_refused(files, authority):
    """The key of another certificate, or one that needs a password, refuses the start; nobody is asked at the terminal."""
    files["key"].write_bytes(authority.issue("other").key.read_bytes())
    with pytest.raises(ConfigurationError, match="the private key is that of another certificate"):
        Tls(TlsFiles(files["certificate"], files["key"]))
    files["key"].write_bytes(encrypted(files["key"]))
    with pytest.raises(ConfigurationError, match="tls_key: it is encrypted"):
        Tls(TlsFiles(files["certificate"], files["key"]))

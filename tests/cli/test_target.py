"""Which server the commands of ``stigmer session`` call, and how: plain, over TLS, or on this machine."""

from __future__ import annotations

import pytest

from stigmer.testing.certificates import Authority

SERVING = "stigmer is serving on "


@pytest.fixture
def authority(tmp_path):
    """Vouches for server and client."""
    return Authority(tmp_path)


@pytest.fixture
def mutual(child, authority):
    """The address of a server that wants clients' certificates."""
    certificate, key = authority.issue("server")
    serve = child(
        *("serve", "--store", "memory:", "--listen", "127.0.0.1:0"),
        *("--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", authority.certificate),
    )
    yield serve.wait_for(SERVING).removeprefix(SERVING)
    serve.process.terminate()
    assert serve.end() == 0


@pytest.fixture
def lists(child):
    """Lists the sessions of a server in a process of its own; gives the exit code and what was said."""

    def run(server, *options, **variables):
        listing = child("session", "list", "--server", server, "--timeout", "10", *options, **variables)
        return listing.end(), listing.said

    return run


def test_mutual_tls(lists, mutual, authority):
    """With the authority's certificate and one of its own a client is served; options and variables do alike."""
    certificate, key = authority.issue("client")
    options = ("--tls-ca", authority.certificate, "--tls-certificate", certificate, "--tls-key", key)
    assert lists(mutual, *options) == (0, "")
    variables = {
        "STIGMER_SERVER_CA": str(authority.certificate),
        "STIGMER_CLIENT_CERTIFICATE": str(certificate),
        "STIGMER_CLIENT_KEY": str(key),
    }
    assert lists(mutual, **variables) == (0, "")


def test_without_what_it_takes(lists, mutual, authority, tmp_path):
    """Without a certificate, without TLS or with a server that nobody vouches for, the server is not to be reached."""
    stranger = Authority(tmp_path, "stranger")
    for options in ((), ("--tls-ca", authority.certificate), ("--tls-ca", stranger.certificate)):
        code, said = lists(mutual, *options)
        assert (code, said.startswith(f"error: {mutual}: ")) == (69, True)
    assert "self-signed certificate in certificate chain" in said


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--tls-ca", "none.pem"), "--tls-ca none.pem: No such file or directory"),
        (("--tls-ca", "text"), "--tls-ca text: it does not hold what it should, in PEM"),
        (("--tls-certificate", "text"), "--tls-certificate and --tls-key mean nothing without --tls-ca"),
        (("--tls-key", "text"), "--tls-certificate and --tls-key mean nothing without --tls-ca"),
        (("--tls-ca", "system", "--tls-key", "text"), "--tls-key means nothing without --tls-certificate"),
        (("--tls-ca", "system", "--tls-certificate", "none"), "--tls-certificate none: No such file or directory"),
        (
            ("--tls-ca", "system", "--tls-certificate", "text"),
            "--tls-certificate text: it does not hold what it should, in PEM",
        ),
        (("--server", "unix:"), "--server: 'unix:' is not unix:PATH"),
        (("--server", "nowhere"), "--server: 'nowhere' is not HOST:PORT"),
    ],
)
def test_what_does_not_add_up(run, tmp_path, options, text):
    """Files that are missing or wrong, and options that mean nothing alone, are wrong usage."""
    (tmp_path / "text").write_text("no PEM\n")
    result = run("session", "list", *options)
    assert (result.exit_code, result.stderr) == (2, f"error: {text}\n")


def test_a_unix_socket_where_nobody_listens(run):
    """A socket that is not there is a server that is not there."""
    result = run("session", "list", "--server", "unix:none.sock")
    assert (result.exit_code, result.stderr) == (69, "error: unix:none.sock: cannot connect: No such file or directory\n")

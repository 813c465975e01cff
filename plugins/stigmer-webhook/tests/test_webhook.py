"""What happens on a server is posted to a URL, again until it is taken; what is refused for good is a dead letter."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest
from stigmer_webhook import Settings, Webhook

from stigmer import ConfigurationError
from stigmer import Settings as ServerSettings
from stigmer.app import assembled
from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.testing import serving

KEY = b"a secret of some length"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class Receiver:
    """An HTTP server that writes down what is posted, and answers as it is told."""

    def __init__(self):
        self.posts = []
        self.answers = {}
        self.status = 200

    async def start(self, port=0):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/events"
        return self

    async def stop(self):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.posts.append((headers, body))
                status = self.answers.get(headers["ce-subject"], self.status)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def receiver():
    found = await Receiver().start()
    yield found
    await found.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses are short."""
    monkeypatch.setattr("stigmer.publishing.backoff._LONGEST_SECONDS", 0.05)


@pytest.fixture
async def serve(receiver, tmp_path):
    """A server that posts to the receiver, as a client sees it."""
    settings = Settings(url=receiver.url, secret=SECRET, attempts=3, dead_letters=tmp_path / "dead.jsonl")
    async with serving({"webhook": Webhook(settings)}) as app, SessionClient(app.address) as client:
        yield client


def a_session(name="One"):
    metadata = ApiResourceMetadata(name=name, org="acme", owner_scope=ApiResourceOwnerScope.organization)
    return Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1"))


async def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_changes_are_posted_and_signed(receiver, serve):
    """Attributes are headers, the body is the session, and the signature is over id, time and body."""
    created = await serve.create(a_session())
    await until(lambda: receiver.posts)
    ((headers, body),) = receiver.posts
    assert (headers["ce-type"], headers["content-type"]) == ("ai.stigmer.session.created", "application/json")
    assert json.loads(body)["metadata"]["id"] == headers["ce-subject"] == created.metadata.id
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_what_is_not_taken_is_posted_again(receiver, serve, tmp_path):
    """With the same id, until it is taken; what is busy for a while is no dead letter."""
    receiver.status = 503
    await serve.create(a_session())
    await until(lambda: len(receiver.posts) >= 2)
    receiver.status = 204
    await serve.create(a_session("Two"))
    await until(lambda: {headers["ce-sequence"][-1] for headers, _ in receiver.posts} == {"1", "2"})
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 2
    assert not (tmp_path / "dead.jsonl").exists()


@pytest.mark.parametrize(("status", "posts"), [(410, 1), (500, 3)])
async def test_what_is_refused_for_good_is_a_dead_letter(receiver, serve, tmp_path, status, posts):
    """At once, or after some attempts; what follows goes on."""
    receiver.status = status
    created = await serve.create(a_session())
    letters = tmp_path / "dead.jsonl"
    await until(lambda: letters.exists() and letters.read_text().endswith("\n"))
    letter = json.loads(letters.read_text())
    assert (letter["subject"], letter["refusedwith"], letter["data"]["metadata"]["name"]) == (
        created.metadata.id,
        status,
        "One",
    )
    assert len(receiver.posts) == posts
    receiver.status = 200
    await serve.create(a_session("Two"))
    await until(lambda: receiver.posts[-1][0]["ce-sequence"].endswith("2"))


async def test_a_receiver_that_is_away_loses_nothing(receiver, serve, tmp_path):
    """However long nobody answers, nothing becomes a dead letter."""
    await receiver.stop()
    await serve.create(a_session())
    again = await Receiver().start(receiver.port)
    await until(lambda: again.posts)
    await again.stop()
    assert not (tmp_path / "dead.jsonl").exists()


def test_it_goes_beside_another_publisher():
    """Its step has a name of its own."""
    pipelines = assembled(ServerSettings(plugins=()), {"webhook": Webhook(Settings(url="http://x"))}).pipelines
    assert [step.name for step in pipelines["session.delete"].steps][-1] == "PublishToWebhook"


async def test_without_a_url_the_server_does_not_start():
    """The line names the variable."""
    with pytest.raises(ConfigurationError, match="STIGMER_WEBHOOK_URL"):
        async with serving({"webhook": Webhook(Settings())}):
            pass

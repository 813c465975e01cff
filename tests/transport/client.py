"""The raw client of the transport's tests: it remembers the order of frames, and what it may send."""

from __future__ import annotations

import collections

from raw_http2 import DATA, RST_STREAM, SETTINGS, WINDOW_UPDATE, RawClient, grpc_request, message

INITIAL_WINDOW = 4
DEFAULT_WINDOW = 65_535


class Client(RawClient):
    """One connection.

    Attributes:
        frames: (kind, stream) of all frames that came.
        windows: bytes that it may still send, by stream; 0 is the connection.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.frames = []
        self.windows = collections.defaultdict(self._initial_window, {0: DEFAULT_WINDOW})

    def _initial_window(self):
        return self.settings.get(INITIAL_WINDOW, DEFAULT_WINDOW)

    def call(self, stream, path, body=b"", *, end=True, more=(), replace=None):
        """Begins a call, with one message if it is to end."""
        self.headers(stream, grpc_request(path, more, replace=replace))
        if end:
            self.data(stream, message(body), end_stream=True)

    def data(self, stream, data, *, end_stream=False):
        self.windows[stream] -= len(data)
        self.windows[0] -= len(data)
        super().data(stream, data, end_stream=end_stream)

    async def upload(self, stream, data, *, end_stream=True):
        """Sends as much as the windows let it, and waits for them; False: the server does not want the rest."""
        while data:
            room = min(self.windows[0], self.windows[stream], 16_384)
            if room > 0:
                self.data(stream, data[:room], end_stream=end_stream and room >= len(data))
                data = data[room:]
            elif (
                not await self.wait(lambda: self._may_send(stream) or self.seen(stream).answered) or self.seen(stream).answered
            ):
                return False
        return True

    def _may_send(self, stream):
        return min(self.windows[0], self.windows[stream]) > 0

    def kinds(self, stream):
        """The kinds of frames that came for a stream, in order."""
        return [kind for kind, each in self.frames if each == stream and kind in {DATA, RST_STREAM, 1}]

    def _take(self, found):
        self.frames.append((found.kind, found.stream))
        if found.kind == WINDOW_UPDATE:
            self.windows[found.stream] += int.from_bytes(found.payload, "big")
        before = self._initial_window()
        super()._take(found)
        if found.kind == SETTINGS:
            for stream in self.windows.keys() - {0}:
                self.windows[stream] += self._initial_window() - before

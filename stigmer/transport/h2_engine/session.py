"""An ``H2Connection`` with better manners: what concerns one stream costs that stream, not the connection."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import Event, StreamReset
from h2.exceptions import DenialOfServiceError, FlowControlError, ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import HPACKError, OversizedHeaderListError

from stigmer.transport.engine import ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, Headers
from stigmer.transport.h2_engine.frames import PREFACE, RST_STREAM, SETTING_SIZE, SETTINGS, WINDOW_UPDATE, Frame, Violation
from stigmer.transport.limits import Limits

COMPRESSION_ERROR = 0x9
_DEFAULT_WINDOW = 65_535
_LARGEST = 2**31 - 1
_TABLE_SIZE = 4096
"""Of our HPACK encoder at most, however large a table the client offers."""
_KNOWN = frozenset(int(code) for code in SettingCodes)
_CONFIGURATION = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_inbound_headers=False,  # the caller does
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    normalize_inbound_headers=False,
)

# At DEBUG it tells every header that it reads, credentials among them.
logging.getLogger("hpack").setLevel(logging.INFO)


class StreamError(Exception):
    """The client has broken a rule so that the stream is over.

    Attributes:
        code: of the RST_STREAM.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Session:
    """Frames in, events out, and the other way round.

    The caller knows which streams are open and names no others, and checks the headers that come.
    """

    __slots__ = ("_h2", "_late", "_late_batch", "_output")

    def __init__(self, limits: Limits) -> None:
        self._late = 0
        self._late_batch = limits.connection_window // 8
        self._h2 = h2 = H2Connection(_CONFIGURATION)
        # The caller counts streams: h2 would end the connection where one stream is refused.
        h2.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: _LARGEST})
        h2.decoder.max_header_list_size = 2 * limits.header_list_bytes
        h2.max_inbound_frame_size = max(h2.max_inbound_frame_size, h2.decoder.max_header_list_size)
        h2.initiate_connection()
        h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window})
        h2.receive_data(PREFACE)
        h2.clear_outbound_data_buffer()
        settings = {
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams,
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.header_list_bytes,
        }
        self._output = bytearray(Frame(SETTINGS, 0, 0, b"".join(_entry(*each) for each in settings.items())).raw())
        if limits.connection_window > _DEFAULT_WINDOW:
            h2.increment_flow_control_window(limits.connection_window - _DEFAULT_WINDOW)

    def feed(self, frame: Frame) -> list[Event]:
        """What h2 makes of the frame.

        Raises:
            StreamError: it is over with the stream, of which h2 knows nothing any more.
            Violation: it is over with the connection.
        """
        h2 = self._h2
        try:
            events = h2.receive_data(frame.raw())
        except ProtocolError as error:
            # h2 has given the connection up, and wants to say so. Whether that is right is ours to say.
            h2.clear_outbound_data_buffer()
            if isinstance(error.__cause__, HPACKError) and not isinstance(error, DenialOfServiceError):
                raise Violation(COMPRESSION_ERROR) from error
            if frame.stream_id not in h2.streams or isinstance(error, DenialOfServiceError | FlowControlError):
                raise Violation(_code(error)) from error
            h2.state_machine.state = ConnectionState.SERVER_OPEN
            self.forget(frame.stream_id)
            raise StreamError(_code(error)) from error
        if any(isinstance(event, StreamReset) for event in events):
            h2.clear_outbound_data_buffer()
            self.forget(frame.stream_id)
            raise StreamError(FLOW_CONTROL_ERROR)
        self._output += h2.data_to_send()
        return events

    def skip(self, block: bytes) -> None:
        """Reads a header block that is of no interest: those after it depend on what it adds to the table.

        Raises:
            Violation: it is none, or too large.
        """
        try:
            self._h2.decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise Violation(ENHANCE_YOUR_CALM) from None
        except HPACKError:
            raise Violation(COMPRESSION_ERROR) from None

    def configure(self, frame: Frame) -> None:
        """Reads SETTINGS.

        Raises:
            Violation: a value is out of range.
        """
        # h2 keeps what it does not know: 65,000 numbers of which a client can fill its memory with.
        self.feed(frame._replace(body=b"".join(_known(frame.body))))
        encoder = self._h2.encoder
        encoder.header_table_size = min(encoder.header_table_size, _TABLE_SIZE)
        changes = encoder.table_size_changes
        if changes:
            encoder.table_size_changes = list(dict.fromkeys([min(changes), changes[-1]]))

    def forget(self, stream_id: int) -> None:
        """The stream is gone."""
        self._h2.streams.pop(stream_id, None)

    def reset(self, stream_id: int, code: int) -> None:
        """Writes RST_STREAM; of a stream that h2 never heard of, too."""
        self._output += Frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big")).raw()
        self.forget(stream_id)

    def write(self, frame: bytes) -> None:
        """Writes a frame that concerns no stream."""
        self._output += frame

    def headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        """Writes a header block."""
        self._h2.send_headers(stream_id, headers, end_stream=end)

    def data(self, stream_id: int, data: bytes) -> None:
        """Writes one DATA frame."""
        self._h2.send_data(stream_id, data)

    def room(self, stream_id: int) -> int:
        """The bytes that the next DATA frame may have; not positive: none."""
        return min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)

    def credit(self, stream_id: int, amount: int) -> None:
        """Lets the client send as many bytes that h2 has counted again: on the stream, if it is open, and in all."""
        self._h2.acknowledge_received_data(amount, stream_id)

    def credit_late(self, amount: int) -> None:
        """The same for bytes that h2 has never seen."""
        self._late = min(self._late + amount, _LARGEST)

    def ping(self) -> None:
        """Writes a PING."""
        self._h2.ping(b"stigmer?")

    def take(self) -> bytes:
        """What was written."""
        if self._late > self._late_batch:
            self._output += Frame(WINDOW_UPDATE, 0, 0, self._late.to_bytes(4, "big")).raw()
            self._late = 0
        output = bytes(self._output) + self._h2.data_to_send()
        self._output.clear()
        return output


def _code(error: ProtocolError) -> int:
    return int(error.error_code)


def _entry(code: int, value: int) -> bytes:
    return code.to_bytes(2, "big") + value.to_bytes(4, "big")


def _known(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), SETTING_SIZE):
        entry = body[start : start + SETTING_SIZE]
        if int.from_bytes(entry[:2], "big") in _KNOWN:
            yield entry

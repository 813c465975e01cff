"""What h2spec finds wrong with our server, by engine, and why each is no fault, or none that matters.

The ids are those with which h2spec runs one case alone, such as ``h2spec http2/5.1/8``.
"""

from __future__ import annotations

_NO_BODY = "It waits for DATA, and the answer to a GET that is no gRPC call has none."
_LENIENT = "libnghttp2 ignores frames on streams that are closed, as nghttpx does; they change nothing."
_OBSOLETE = "RFC 9113 section 5.3 has no priorities any more: they are ignored, whatever they say."
_HARSH = "libnghttp2 ends the connection where the stream would be enough."

ALWAYS = {
    "ngh2": {
        "generic/2/2": _NO_BODY,
        "generic/2/3": _NO_BODY,
        "http2/5.1/8": _LENIENT,
        "http2/5.1/9": _LENIENT,
        "http2/5.1/11": _LENIENT,
        "http2/5.1/12": _LENIENT,
        "http2/5.1.1/2": _LENIENT,
        "http2/5.3.1/2": _OBSOLETE,
        "http2/6.3/1": _OBSOLETE,
        "http2/6.9.1/3": _HARSH,
    },
    "h2": {
        "generic/2/2": _NO_BODY,
        "generic/2/3": _NO_BODY,
        "http2/5.3.1/2": _OBSOLETE,
    },
}

_AT_ONCE = "What is no gRPC call is answered at its headers, at times before the frame that is wrong, which is then too late."
_NONE_OPEN = "It sends 201 requests and waits for a refusal, but all are answered, and closed, as fast as they come."
_GONE = "It says goodbye and asks something: the server may have closed by then, which is a reset to who still sends."

SOMETIMES = {
    "http2/5.1.2/1": _NONE_OPEN,
    "http2/5.1/5": _AT_ONCE,
    "http2/5.1/6": _AT_ONCE,
    "http2/5.1/8": _AT_ONCE,
    "http2/5.1/9": _AT_ONCE,
    "http2/6.1/2": _AT_ONCE,
    "http2/6.1/3": _AT_ONCE,
    "http2/6.9/2": _AT_ONCE,
    "http2/6.9.1/3": _AT_ONCE,
    "http2/8.1/1": _AT_ONCE,
    "http2/8.1.2.1/3": _AT_ONCE,
    "http2/8.1.2.6/1": _AT_ONCE,
    "http2/8.1.2.6/2": _AT_ONCE,
    "generic/3.8/1": _GONE,
    "http2/7/1": _GONE,
}
"""On either engine."""

SKIPPED = {"http2/6.5.3/1", "http2/6.9.1/1", "http2/6.9.2/1", "http2/6.9.2/2"}
"""h2spec leaves these out where an answer has no body."""

FEWEST = {"ngh2": 128, "h2": 135}
"""How many of the 145 pass at least, with bad luck in some of the races."""

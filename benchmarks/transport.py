"""Bare calls per second of the transport, beside stock grpclib's and grpc-go's, in the same rounds; load from h2load.

Usage: python benchmarks/transport.py [--rounds 3] [--seconds 2] [--size 600]

Needs h2load (Debian: nghttp2-client). grpc-go is measured where there is Go to build it.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from echo_server import MESSAGES, STREAM, UNARY
from servers import CORES, echo, go_echo

from stigmer.testing.certificates import Authority

CONNECTIONS, STREAMS = 4, 16
HEADERS = ("content-type: application/grpc", "te: trailers")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--size", type=int, default=600, help="bytes of a message")
    return parser.parse_args()


def rate(url: str, body: Path, seconds: int) -> float:
    """Calls per second that were answered with HTTP status 200, all of them.

    Raises:
        RuntimeError: some were not.
    """
    load = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", "--warm-up-time=1", f"-d{body}"]
    pinned = ["taskset", "-c", str(CORES[-1]), *load, *(f"-H{header}" for header in HEADERS), url]
    printed = subprocess.run(pinned, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"(\d+) failed, (\d+) errored", printed)
    found = re.search(r"finished in .*?, ([\d.]+) req/s", printed)
    if found is None or failed is None or failed.groups() != ("0", "0"):
        raise RuntimeError(printed)
    return float(found[1])


def servers(stack: contextlib.ExitStack, size: int, folder: Path) -> dict[str, str]:
    """All that is measured: name → URL."""
    certificate, key = Authority(folder).issue("echo")
    urls = {}
    for kind in ("stock", "ngh2", "h2"):
        address, _ = stack.enter_context(echo(kind, size))
        urls[kind] = f"http://{address}{UNARY}"
        if kind != "h2":
            urls[f"{kind}, stream of {MESSAGES}"] = f"http://{address}{STREAM}"
    address, _ = stack.enter_context(echo("ngh2", size, str(certificate), str(key)))
    urls["ngh2, TLS"] = f"https://{address}{UNARY}"
    built = stack.enter_context(go_echo())
    if built is not None:
        urls["grpc-go"] = f"http://{built[0]}{UNARY}"
    return urls


def main() -> None:
    """Measures and prints."""
    options = arguments()
    if shutil.which("h2load") is None:
        sys.exit("h2load is not installed")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        body = folder / "body"
        body.write_bytes(b"\0" + options.size.to_bytes(4, "big") + b"x" * options.size)
        urls = servers(stack, options.size, folder)
        rounds = [{name: rate(url, body, options.seconds) for name, url in urls.items()} for _ in range(options.rounds)]
    table(rounds)


def table(rounds: list[dict[str, float]]) -> None:
    """Prints medians, and what the figures are compared with: ratios of the same round."""
    print("| server | calls/s |\n|---|---|")
    for name in rounds[0]:
        print(f"| {name} | {statistics.median(found[name] for found in rounds):,.0f} |")
    print()
    stream = f", stream of {MESSAGES}"
    for text, one, other in (
        ("unary, to stock grpclib (wanted: 12)", "ngh2", "stock"),
        ("unary, to grpc-go (wanted: 1.0)", "ngh2", "grpc-go"),
        ("unary on h2, to stock grpclib", "h2", "stock"),
        ("streams, to stock grpclib (wanted: 10)", f"ngh2{stream}", f"stock{stream}"),
        ("TLS, to plain (wanted: 0.85)", "ngh2, TLS", "ngh2"),
    ):
        if other in rounds[0]:
            print(f"{text}: {statistics.median(found[one] / found[other] for found in rounds):.2f}")


if __name__ == "__main__":
    main()

"""Interoperability with grpc-go, by the client that gRPC itself tests servers with."""

from __future__ import annotations

import asyncio
import os

import pytest

from stigmer.transport.limits import Limits

from .serving import eventually, serving

CASES = (
    *("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream"),
    *("timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response"),
    *("status_code_and_message", "special_status_message", "custom_metadata"),
    *("unimplemented_method", "unimplemented_service"),
    "pick_first_unary",
)
SOAKS = {"rpc_soak": 100, "channel_soak": 20}
"""How many calls; a channel_soak opens a connection for each. ``benchmarks/interop_soak.py`` has the long ones."""
SECONDS = 60


LIMITS = [f"--soak_overall_timeout_seconds={SECONDS}", "--soak_per_iteration_max_acceptable_latency_ms=10000"]


async def run_client(client, served, case, *arguments):
    """Runs one of the client's test cases against the server; gives its output when it succeeds."""
    tls = served.certificates and ("--use_tls", "--use_test_ca", f"--ca_file={served.certificates.authority.certificate}")
    process = await asyncio.create_subprocess_exec(
        *(client, f"--test_case={case}", "--server_host=127.0.0.1", f"--server_port={served.port}", *(tls or ()), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"GRPC_GO_LOG_SEVERITY_LEVEL": "info"},
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


async def soak(client, served, case, calls, *arguments):
    """Runs one of the client's soaks, of which no call may fail."""
    amount = [f"--soak_iterations={calls}", "--soak_max_failures=0"]
    output = await run_client(client, served, case, *amount, *LIMITS, *arguments)
    assert f"soak test successes: {calls} / {calls} iterations. Total failures: 0." in output


@pytest.mark.parametrize("case", CASES)
async def test_cases(go_client, served, case):
    """The client for interoperability tests of grpc-go is content."""
    assert " done" in await run_client(go_client, served, case)


async def test_a_cancelled_call_ends(go_client, served, service):
    """The handler of a call that its client cancels is cancelled."""
    await run_client(go_client, served, "cancel_after_first_response")
    await eventually(lambda: service.cancelled == 1)


@pytest.mark.parametrize(("case", "calls"), SOAKS.items())
async def test_soaks(go_client, served, case, calls):
    """Call after call of large messages, on one connection or each on its own, none of them fails."""
    await soak(go_client, served, case, calls)


async def test_an_honest_client_is_no_flood(go_client, engine, service):
    """The pings and window updates that large messages bring along do not count as a flood, however many calls there are."""
    limits = Limits(controls_burst=100, controls_per_second=20)  # a tenth, so that a tenth of the calls shows it
    async with serving(engine, [service], limits=limits) as served:
        await soak(go_client, served, "rpc_soak", 500, "--soak_num_threads=4")
        assert served.server.statistics.limited["controls_burst"] == 0

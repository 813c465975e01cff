"""What the plugin costs when all of it is off."""

import subprocess
import sys

from stigmer import Settings
from stigmer.observe import Observe

_PROGRAM = """
import sys
import stigmer
from stigmer.observe import Observe, configure_logging
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.command_pb import desc
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind

settings = stigmer.Settings(plugins=(), log={log!r}, tracing={tracing!r}, metrics_listen={metrics!r})
configure_logging(settings)
kind = stigmer.Kind.of(ApiResourceKind.session, Session, {{}})
op = stigmer.Operation(stigmer.method(desc(), "SessionCommandController", "create"), kind, steps=())
observe = Observe()
handle = run = lambda ctx: None
observe.wrap_operation(op, handle, settings)
observe.wrap_step(op, "Persist", "session", run, settings)
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"opentelemetry", "prometheus_client", "grpc"}}))
"""


def _imported(log="off", tracing=False, metrics=None):
    program = _PROGRAM.format(log=log, tracing=tracing, metrics=metrics)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_wraps_nothing_when_off(op, answering):
    """With log, metrics and tracing off neither operations nor steps get anything put around them."""
    settings = Settings(plugins=(), log="off", tracing=False, metrics_listen=None)
    observe = Observe()
    assert observe.wrap_operation(op, answering(), settings) is None
    assert observe.wrap_step(op, "Persist", "session", answering(), settings) is None


def test_wraps_nothing_when_no_line_can_be_severe_enough(op, answering):
    """With a level above ERROR there is no line to write, so operations stay as they are."""
    assert Observe().wrap_operation(op, answering(), Settings(plugins=(), log_level="CRITICAL")) is None


def test_leaves_steps_alone_when_only_logging(op, answering):
    """The log puts nothing around steps."""
    assert Observe().wrap_step(op, "Persist", "session", answering(), Settings(plugins=(), log="json")) is None


def test_imports_nothing_when_off():
    """Neither OpenTelemetry nor prometheus-client is imported unless it is asked for."""
    assert _imported(log="json") == "[]"


def test_imports_only_what_is_on():
    """Metrics do not draw in OpenTelemetry, nor spans prometheus-client."""
    assert _imported(metrics="127.0.0.1:0") == "['prometheus_client']"
    assert _imported(tracing=True) == "['opentelemetry']"


async def test_starts_and_stops_when_off():
    """Starting and stopping with all off does nothing and fails nothing."""
    observe = Observe()
    await observe.startup(None)
    await observe.shutdown()
    assert observe.metrics_port is None

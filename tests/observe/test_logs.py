"""Where the log goes, and what of other libraries gets into it."""

import json
import logging
import sys

import pytest
from loguru import logger

from stigmer import Settings
from stigmer.observe import configure_logging
from stigmer.observe.logs import _ToLoguru


@pytest.mark.usefixtures("logged")
def test_standard_error_by_default(capsys):
    """Unless told otherwise the log goes to standard error."""
    configure_logging(Settings(plugins=()))
    logger.info("hello")
    assert capsys.readouterr().err.endswith("INFO    hello\n")


@pytest.mark.usefixtures("logged")
def test_off_is_silent(capsys):
    """With the log off neither our lines nor those of libraries appear anywhere."""
    configure_logging(Settings(plugins=(), log="off"))
    logger.error("ours")
    logging.getLogger("theirs").error("theirs")
    assert capsys.readouterr() == ("", "")


def test_warnings_of_libraries(logged):
    """What a library warns of is logged under its name; what it merely tells is not."""
    logged(log="json")
    logging.getLogger("grpclib.server").info("small talk")
    logging.getLogger("asyncio").warning("slow callback: %s", "{}\n{0.x}")
    (line,) = logged.text().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"], entry["logger"]) == ("WARNING", "slow callback: {}\n{0.x}", "asyncio")


def test_debug_of_libraries_stays_out(logged):
    """Libraries are not asked for details even at level TRACE: some print header values there."""
    logged(log_level="TRACE")
    logging.getLogger("hpack.hpack").debug("Decoded authorization: Bearer hush")
    assert logged.text() == ""


def test_tracebacks_of_libraries(logged):
    """An exception that a library logs comes with its traceback."""
    logged()
    try:
        {}["x"]
    except KeyError:
        logging.getLogger("grpclib.server").exception("Application error")
    first, *others = logged.text().splitlines()
    assert first.endswith("ERROR   Application error logger=grpclib.server")
    assert others[-1] == "    | KeyError: 'x'"


def test_odd_records_of_libraries(logged):
    """A level of its own and a wrong format string do not fail a library's call."""
    logged()
    logging.getLogger("odd").log(35, "thirty-five")
    _ToLoguru().emit(logging.LogRecord("odd", logging.WARNING, __file__, 1, "%d", ("x",), None))
    assert "thirty-five" in logged.text()
    assert "%d" in logged.text()


def test_configuring_twice_is_configuring_once(logged):
    """Setting the log up again replaces what was set up before."""
    logged()
    logged(log="json")
    logging.getLogger("x").error("once")
    assert logged.text().count("once") == 1


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_field_cannot_replace_level_or_time(logged, form):
    """A field of somebody's own that is called like one of ours does not take its place."""
    logged(log=form)
    logger.bind(level="DEBUG", traceback="x").info("hello")
    text = logged.text()
    assert json.loads(text)["level"] == "INFO" if form == "json" else " INFO    hello " in text


def test_standard_error_is_flushed_line_by_line(monkeypatch):
    """A line is out when the call that logs returns."""

    class Stream:
        def __init__(self):
            self.out, self.held = "", ""

        def write(self, text):
            self.held += text

        def flush(self):
            self.out += self.held
            self.held = ""

    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(Settings(plugins=()))
    logger.info("hello")
    configure_logging(Settings(plugins=(), log="off"))
    assert stream.out.endswith("hello\n")

"""Logs as lines of JSON, of this code and of libraries."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from shared.runtime.logs import bind_event, configure, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was before the test."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def written(restored: None) -> StringIO:
    """The stream of the test's logs."""
    return StringIO()


@pytest.fixture
def lines(written: StringIO) -> Lines:
    configure("followups", "info", json_lines=True, stream=written)
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_of_this_code(lines: Lines) -> None:
    structlog.get_logger().info("پیگیری باز شد", deputy="civil", count=3)
    (line,) = lines()
    instant = datetime.fromisoformat(line.pop("time"))
    assert instant.utcoffset() == timedelta(0)
    assert line == {
        "level": "info",
        "service": "followups",
        "message": "پیگیری باز شد",
        "deputy": "civil",
        "count": 3,
    }


def test_persian_stays_readable(written: StringIO) -> None:
    configure("followups", "info", json_lines=True, stream=written)
    structlog.get_logger().info("مصوبه")
    assert "مصوبه" in written.getvalue()


@pytest.mark.parametrize("library", ["uvicorn.error", "faststream.access.kafka", "aiokafka", "x"])
def test_a_line_of_a_library(lines: Lines, library: str) -> None:
    logging.getLogger(library).error("broker %s is away", "k1", extra={"node": 1})
    (line,) = lines()
    assert line["message"] == "broker k1 is away"
    assert line["level"] == "error"
    assert line["service"] == "followups"
    assert line["node"] == 1
    assert "time" in line


def test_uvicorns_own_handlers_do_not_write_twice(written: StringIO) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
    configure("followups", "info", json_lines=True, stream=written)
    extra = {"color_message": "\x1b[1mstarted\x1b[0m"}
    logging.getLogger("uvicorn.error").info("started", extra=extra)
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["message"] == "started"
    assert "\\u001b" not in line


def test_a_repeated_message_of_a_library_is_logged_once_in_ten_seconds(lines: Lines) -> None:
    def says(message: str, seconds: float, logger: str = "aiokafka.client") -> None:
        fields = {"name": logger, "msg": message, "args": (seconds,), "created": 1e9 + seconds}
        logging.getLogger(logger).handle(
            logging.makeLogRecord({**fields, "levelno": logging.ERROR})
        )

    for seconds in (0, 0.5, 9.9, 10, 10.1, 31):
        says("no node, %s", seconds)
    says("another, %s", 31.1)
    says("no node, %s", -5)  # the clock was set back
    for _ in range(2):
        says("ours, %s", 40, "shared.messaging.outbox.relay")
    assert [(line["message"], line.get("repeated")) for line in lines()] == [
        ("no node, 0", None),
        ("no node, 10", 2),
        ("no node, 31", 1),
        ("another, 31.1", None),
        ("no node, -5", None),
        ("ours, 40", None),
        ("ours, 40", None),
    ]


def test_levels(lines: Lines) -> None:
    structlog.get_logger().debug("too fine")
    logging.getLogger("uvicorn.access").info("GET /livez")
    logging.getLogger("aiokafka.conn").info("connected")
    logging.getLogger("uvicorn.error").info("started")
    assert [line["message"] for line in lines()] == ["started"]


def test_the_lines_of_an_event_name_it_and_its_trace(lines: Lines) -> None:
    log = structlog.get_logger()
    with bind_event("e-1", TRACEPARENT):
        log.info("inside")
        logging.getLogger("x").warning("a library inside")
    log.info("outside")
    ours, theirs, outside = lines()
    for line in (ours, theirs):
        assert (line["event_id"], line["trace"]) == ("e-1", TRACE)
    assert not outside.keys() & {"event_id", "trace"}


def test_an_event_without_a_trace(lines: Lines) -> None:
    with bind_event("e-1", "nonsense"):
        structlog.get_logger().info("inside")
    (line,) = lines()
    assert line["event_id"] == "e-1"
    assert "trace" not in line


def test_an_exception_is_one_line_with_its_traceback(lines: Lines) -> None:
    try:
        raise RuntimeError("پایگاه داده")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert line["level"] == "error"
    assert "RuntimeError: پایگاه داده" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_secrets_show_as_stars(lines: Lines) -> None:
    structlog.get_logger().info("connecting", uri=SecretStr("mongodb://u:hidden@db"))
    (line,) = lines()
    assert "hidden" not in str(line)
    assert "*" in line["uri"]


def test_characters_that_cannot_be_encoded_are_escaped(lines: Lines) -> None:
    structlog.get_logger().info("odd", name="\ud800")
    (line,) = lines()
    assert line["name"] == "\ud800"


def test_a_console_line_is_for_people(written: StringIO) -> None:
    configure("followups", "debug", json_lines=False, stream=written)
    structlog.get_logger().debug("پیگیری", deputy="civil")
    (line,) = written.getvalue().splitlines()
    assert "پیگیری" in line
    assert "deputy=civil" in line
    assert not line.startswith("{")


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        (TRACEPARENT, TRACE),
        (TRACEPARENT.replace("00-", "cc-", 1), TRACE),
        (TRACEPARENT.replace("00-", "cc-", 1) + "-later-version", TRACE),
        (TRACEPARENT.replace("00-", "cc-", 1) + "-\x85", None),
        (TRACEPARENT.replace("00-", "ff-", 1), None),
        (TRACEPARENT + "-what-is-not-of-this-version", None),
        (TRACEPARENT + "\n", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (None, None),
        ("", None),
        (TRACE, None),
        (TRACEPARENT.upper(), None),
    ],
)
def test_the_id_of_a_trace(traceparent: str | None, expected: str | None) -> None:
    assert trace_id(traceparent) == expected


def test_logs_go_to_standard_error(restored: None, capsys: pytest.CaptureFixture[str]) -> None:
    configure("followups", "info", json_lines=True)
    structlog.get_logger().info("here")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["message"] == "here"

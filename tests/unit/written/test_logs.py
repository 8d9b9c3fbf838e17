"""A log record is one line of JSON, whatever it contains, and controls no terminal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.logs import configure
from tests.unit.written.any_text import ANY_TEXT

CONTROLS = (
    set(map(chr, range(32))) | set(map(chr, range(0x7F, 0xA0))) | set("\u202a\u202e\u2066\u2028")
)
VALUES = st.recursive(
    st.one_of(ANY_TEXT, st.floats(), st.integers(), st.none(), st.binary(max_size=9)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT | st.integers(), inner),
    max_leaves=6,
)


@contextmanager
def logged(*, json_lines: bool = True) -> Iterator[StringIO]:
    """The log of the block; afterwards logging is as it was before."""
    root, stream = logging.getLogger(), StringIO()
    handlers, level, before, hook = (
        root.handlers[:],
        root.level,
        structlog.get_config(),
        sys.excepthook,
    )
    try:
        configure("followups", "info", json_lines=json_lines, stream=stream)
        yield stream
    finally:
        root.handlers, root.level, sys.excepthook = handlers, level, hook
        logging.captureWarnings(False)
        structlog.configure(**before)


def line_of(log: Callable[[], None]) -> dict[str, Any]:
    """The only line that is logged, read by a parser that accepts only the numbers of RFC 8259."""
    with logged() as stream:
        log()
    (line,) = stream.getvalue().splitlines()
    assert not CONTROLS & set(line)
    found: dict[str, Any] = json.loads(line, parse_constant=refused)
    assert {"time", "level", "service", "message"} <= found.keys()
    return found


def refused(constant: str) -> NoReturn:
    raise AssertionError(constant)


def paired(text: str) -> str:
    """The text as JSON reads it back: two surrogates of a pair are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@given(ANY_TEXT)
def test_any_text_is_read_back(text: str) -> None:
    line = line_of(lambda: structlog.get_logger().info(text or "-", value=text))
    assert line["value"] == paired(text)
    assert line["message"] == paired(text or "-")
    line = line_of(lambda: logging.getLogger("library").error("%s", text, extra={"more": text}))
    assert line["message"] == line["more"] == paired(text)


@given(VALUES)
def test_any_value_is_logged(value: object) -> None:
    assert "value" in line_of(lambda: structlog.get_logger().info("x", value=value))


@given(ANY_TEXT)
def test_any_exception_is_one_line(text: str) -> None:
    def log() -> None:
        try:
            raise LookupError(text)
        except LookupError:
            structlog.get_logger().exception("failed")

    assert "LookupError" in line_of(log)["exception"]


class Unprintable:
    """An object whose `repr` fails."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


def test_what_cannot_be_written_is_still_one_line() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (circle, deep, float("nan"), {("a", 1): 2}, {"a": float("inf")}, {1, 2}):
        line = line_of(lambda value=value: structlog.get_logger().info("x", value=value, n=1.5))  # type: ignore[misc]  # mypy knows no lambda with a default
        assert (line["message"], line["n"]) == ("x", 1.5)
    for log in (
        lambda: structlog.get_logger().info("x", value=Unprintable()),
        lambda: logging.getLogger("library").error("%d nodes", "no"),
        lambda: logging.getLogger("library").error("%s", Unprintable()),
        lambda: structlog.get_logger().info("x", value=10**5_000),
    ):
        line = line_of(log)
        assert (line["message"], line["service"]) == ("a record could not be told", "followups")
        assert line["error"] in {"TypeError", "ValueError", "ZeroDivisionError"}
        assert ".py:" in line["place"]


def test_a_library_cannot_overwrite_the_fields_of_a_line() -> None:
    extra = {"level": "x", "time": "x", "service": "x"}
    line = line_of(lambda: logging.getLogger("library").error("here", extra=extra))
    assert (line["level"], line["service"], line["time"][:2]) == ("error", "followups", "20")


def test_a_warning_of_python_is_a_line() -> None:
    def log() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.warn("of two\nlines", stacklevel=1)

    assert "of two\nlines" in line_of(log)["message"]


def test_an_error_that_ends_a_process_is_a_line_in_any_locale() -> None:
    script = (
        "from shared.runtime.logs import configure\n"
        "configure('followups', 'info', json_lines=True)\n"
        "raise LookupError('\\u06cc\\xe9\\U0001f600')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    (line,) = ended.stderr.decode().splitlines()
    assert ended.returncode == 1
    assert "LookupError: \u06cc\xe9\U0001f600" in json.loads(line)["exception"]
    assert json.loads(line)["level"] == "critical"


@given(ANY_TEXT)
def test_a_line_for_people_is_one_line_and_controls_no_terminal(text: str) -> None:
    with logged(json_lines=False) as stream:
        structlog.get_logger().info(text or "-", value=text, **{f"n{text}": 1})
    (line, rest) = stream.getvalue().split("\n")
    assert not rest
    assert not CONTROLS & set(line)


def test_a_traceback_for_people_controls_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with logged(json_lines=False) as stream:
        try:
            raise LookupError("\x1b[2J\u202e")
        except LookupError:
            structlog.get_logger().exception("failed")
    assert "LookupError: \\u001b[2J\\u202e" in stream.getvalue()
    assert not (CONTROLS - {"\n"}) & set(stream.getvalue())
    assert capsys.readouterr() == ("", "")

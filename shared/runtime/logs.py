"""Logs: one JSON object a line on standard error, the same for our code and for libraries.

Each has `time` (ISO 8601, UTC), `level`, `service`, `message`, and `trace` and `event_id` where
one is known. Write with `structlog.get_logger()`. A value of type SecretStr shows as stars.
Whatever is logged, a line is JSON (RFC 8259) and leaves a terminal as it is; so are warnings of
Python and the error that ends a process.
"""

from __future__ import annotations

import json
import logging
import math
import re
import reprlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from shared.contracts.envelope import TRACEPARENT

# Libraries that bring handlers of their own, or say at this level what only they want to know.
_LIBRARIES = {
    "uvicorn": logging.NOTSET,
    "uvicorn.error": logging.NOTSET,
    "uvicorn.access": logging.WARNING,
    "faststream": logging.NOTSET,
    "aiokafka": logging.WARNING,
    "pymongo": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
}
_REPEATS_ITSELF = "aiokafka."  # hundreds of lines a second while a broker is away
_ONCE_IN_SECONDS = 10.0
_MESSAGES = 1_000  # remembered at a time

# What ends a line for some readers, drives a terminal, reorders a line or has no encoding. JSON
# escapes the other controls itself.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_ON_CONSOLES = re.compile(f"[\x00-\x1f]|{_UNSAFE.pattern}")


def configure(service: str, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Set the logs of this process up. To be called once, at its start.

    `level` is debug, info, warning or error; without `json_lines` people read them on a console.
    `stream` is standard error by default.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Named(service),
    ]
    stream = stream or sys.stderr
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8")  # whatever the machine's language is
    handler = _Lines(stream, service)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_uvicorns_colours,
                *(_json_renderers() if json_lines else _console_renderers(stream.isatty())),
            ],
        )
    )
    handler.addFilter(_Seldom(_REPEATS_ITSELF, _ONCE_IN_SECONDS))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _ended
    for name, at_least in _LIBRARIES.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(at_least, root.level) if at_least else logging.NOTSET)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@contextmanager
def bind_event(event_id: str, traceparent: str | None) -> Iterator[None]:
    """Within the block, each line of this task names the event and its trace."""
    trace = trace_id(traceparent)
    known = {"event_id": event_id} | ({} if trace is None else {"trace": trace})
    with structlog.contextvars.bound_contextvars(**known):
        yield


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id out of a `traceparent` (W3C Trace Context); None where it is not one."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match else None


class _Lines(logging.StreamHandler[TextIO]):
    """Writes a line a record, also of one that cannot be told: logging itself would print a
    traceback of many lines."""

    def __init__(self, stream: TextIO, service: str) -> None:
        super().__init__(stream)
        self._service = service

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": "a record could not be told",
            "logger": record.name,
            "place": f"{record.pathname}:{record.lineno}",
            "error": getattr(sys.exc_info()[0], "__name__", ""),
        }
        with suppress(OSError, ValueError):  # nobody reads, or the stream is closed
            self.stream.write(f"{json.dumps(line)}\n")
            self.flush()


def _ended(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Log what ends the process, where nobody caught it."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger(__name__).critical("ended", exc_info=(kind, error, traceback))


class _Seldom(logging.Filter):
    """Lets each message of a library through once in so many seconds.

    `repeated` of the next one says how often it was left out since.
    """

    def __init__(self, library: str, seconds: float) -> None:
        super().__init__()
        self._library = library
        self._seconds = seconds
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # when last, left out since

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(self._library):
            return True
        said = (record.name, str(record.msg))  # without its arguments
        last, left_out = self._said.get(said, (-self._seconds, 0))
        if 0 <= record.created - last < self._seconds:  # else the machine's clock was set back
            self._said[said] = last, left_out + 1
            return False
        if len(self._said) >= _MESSAGES:
            self._said.clear()
        self._said[said] = record.created, 0
        if left_out:
            record.repeated = left_out
        return True


class _Named:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


def _drop_uvicorns_colours(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)
    return event


def _json_renderers() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_dump),
    ]


def _console_renderers(colours: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        timestamp_key="time", colors=colours, exception_formatter=_traceback
    )
    return [_visible_controls, renderer]


def _visible_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A line on a console, too, is one line, and does to the terminal what we want alone."""
    return {
        _visible(name): _visible(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _traceback(console: TextIO, error: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    console.write("\n".join(map(_visible, text.getvalue().split("\n"))))


def _visible(text: str) -> str:
    return _UNSAFE_ON_CONSOLES.sub(_escaped, text)


def _dump(event: dict[str, Any], **options: Any) -> str:
    """Persian stays readable; what JSON has no word for is told as Python would."""
    try:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, **options)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, infinity, a circle
        told = {str(name): _told(value) for name, value in event.items()}
        line = json.dumps(told, ensure_ascii=False)
    return _UNSAFE.sub(_escaped, line)


def _told(value: object) -> object:
    if value is None or isinstance(value, str | int) or _is_finite(value):
        return value
    return _brief.repr(value)


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _briefly() -> reprlib.Repr:
    """Tells any value, and of what is long or deep its beginning."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 1_000
    brief.maxdict = brief.maxlist = brief.maxtuple = 20
    return brief


_brief = _briefly()

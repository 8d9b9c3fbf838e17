"""Logs: one JSON object per line on standard error, the same for this code and for libraries.

Each has `time` (ISO 8601, UTC), `level`, `service`, `message`, and `trace` and `event_id` if they
are known. Write with `structlog.get_logger()`. A value of type SecretStr is shown as stars; what
others' messages quote of secrets and personal data is taken out (`redaction.py`).
Whatever is logged, a line is JSON (RFC 8259) and cannot control a terminal. The same holds for
Python's warnings and the error that ends a process.
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
from shared.runtime.redaction import redacted, without_secrets

# Libraries with their own handlers, and the least level at which their messages are useful.
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
_REPETITIVE = "aiokafka."  # hundreds of lines per second while a broker is away
_REPEAT_SECONDS = 10.0
_MOST_REMEMBERED = 1_000  # messages

# Characters that end a line for some readers, control a terminal, reorder a line or have no
# encoding. JSON escapes the other controls itself.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_ON_CONSOLES = re.compile(f"[\x00-\x1f]|{_UNSAFE.pattern}")


def configure(service: str, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Set up the logs of this process. Call it once, at the start.

    `level` is debug, info, warning or error. Without `json_lines` the lines are for people at a
    console. `stream` is standard error by default.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _AddService(service),
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
    handler.addFilter(_Repeats(_REPETITIVE, _REPEAT_SECONDS))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_fatal
    for name, least in _LIBRARIES.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(least, root.level) if least else logging.NOTSET)
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
    """Add the event's id and its trace to each line that this task logs within the block."""
    trace = trace_id(traceparent)
    fields = {"event_id": event_id} | ({} if trace is None else {"trace": trace})
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id in a `traceparent` (W3C Trace Context); None if it is not valid."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match else None


class _Lines(logging.StreamHandler[TextIO]):
    """Writes one line per record, even if formatting fails: logging itself would then print a
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
        with suppress(OSError, ValueError):  # nobody reads the stream, or it is closed
            self.stream.write(f"{json.dumps(line)}\n")
            self.flush()


def _log_fatal(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Log an uncaught error, which ends the process."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger(__name__).critical("ended", exc_info=(kind, error, traceback))


class _Repeats(logging.Filter):
    """Passes each message of a library at most once in a number of seconds.

    `repeated` in the next one counts how often it was left out.
    """

    def __init__(self, library: str, seconds: float) -> None:
        super().__init__()
        self._library = library
        self._seconds = seconds
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}  # last time, left out since

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(self._library):
            return True
        message = (record.name, str(record.msg))  # without its arguments
        last, left_out = self._passed.get(message, (-self._seconds, 0))
        if 0 <= record.created - last < self._seconds:  # negative if the clock was set back
            self._passed[message] = last, left_out + 1
            return False
        if len(self._passed) >= _MOST_REMEMBERED:
            self._passed.clear()
        self._passed[message] = record.created, 0
        if left_out:
            record.repeated = left_out
        return True


class _AddService:
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
        _redact,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_dump),
    ]


def _console_renderers(colours: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        timestamp_key="time", colors=colours, exception_formatter=_traceback
    )
    return [_redact, _visible_controls, renderer]


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take out secrets and personal data that others' messages quote."""
    return {name: without_secrets(str(name), value) for name, value in event.items()}


def _visible_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep a console line to one line, and let no value control the terminal."""
    return {
        _visible(name): _visible(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _traceback(console: TextIO, error: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    console.write("\n".join(map(_visible, redacted(text.getvalue()).split("\n"))))


def _visible(text: str) -> str:
    return _UNSAFE_ON_CONSOLES.sub(_escaped, text)


def _dump(event: dict[str, Any], **options: Any) -> str:
    """The event as JSON. Persian stays readable; values that JSON lacks appear as their `repr`."""
    try:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, **options)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, infinity, a cycle
        writable = {str(name): _writable(value) for name, value in event.items()}
        line = json.dumps(writable, ensure_ascii=False)
    return _UNSAFE.sub(_escaped, line)


def _writable(value: object) -> object:
    if value is None or isinstance(value, str | int) or _is_finite(value):
        return value
    return _brief.repr(value)


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _brief_repr() -> reprlib.Repr:
    """A `repr` for any value that cuts off long or deep ones."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 1_000
    brief.maxdict = brief.maxlist = brief.maxtuple = 20
    return brief


_brief = _brief_repr()

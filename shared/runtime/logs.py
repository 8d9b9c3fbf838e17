"""Logs: one JSON object a line on standard error, the same for our code and for libraries.

Each has `time` (ISO 8601, UTC), `level`, `service`, `message`, and `trace` and `event_id` where
one is known. Write with `structlog.get_logger()`. A value of type SecretStr shows as stars.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# W3C Trace Context: no id is all zeros, there is no version ff, and 00 ends with its flags.
_TRACEPARENT = re.compile(
    "(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)

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
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_uvicorns_colours,
                *(_json_renderers() if json_lines else [_console_renderer(stream.isatty())]),
            ],
        )
    )
    handler.addFilter(_Seldom(_REPEATS_ITSELF, _ONCE_IN_SECONDS))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
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
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match else None


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


def _console_renderer(colours: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(timestamp_key="time", colors=colours)


def _dump(event: dict[str, Any], **options: Any) -> str:
    """Persian stays readable; a lone surrogate, which no encoding knows, is escaped."""
    line = json.dumps(event, ensure_ascii=False, **options)
    return line.encode("utf-8", "backslashreplace").decode("utf-8")

"""A history: what clients independent of the services sent, received, and found at rest.

It holds plain data and none of the services' code. The writer of a history says which events each
request has to cause (`Effect`) and which effect each event read is (`Told.effect`); the checker
does not know what a follow-up or an amendment is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The place of a record in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, order=True)
class Effect:
    """One event that a request has to cause once, however often it is sent.

    `mark` distinguishes it from others of its type about the same thing: an amendment's id, a note.
    """

    type: str
    about: str  # the id of what it is about, as in the request: a resolution's id
    mark: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Level:
    """One level of being overdue; each comes exactly once for a due date."""

    about: str
    due_on: str
    level: int


class Outcome(StrEnum):
    """What a client knows about its request."""

    ACKNOWLEDGED = "acknowledged"  # by Kafka, its transaction committed; or HTTP 2xx
    UNKNOWN = "unknown"  # an error or no answer: it may have happened, or not
    ABORTED = "aborted"  # sent in a transaction that was aborted
    REFUSED = "refused"  # HTTP 4xx: it must not have happened


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that a client sent to a topic; listed twice if sent twice."""

    id: str  # ce_id
    topic: str
    key: str
    outcome: Outcome
    place: Place | None = None  # as Kafka acknowledged it
    effects: tuple[Effect, ...] = ()  # the events that it must cause
    possible: tuple[Effect, ...] = ()  # those that it may cause
    refusal: str | None = None  # the reason that its dead letter must have, if it is poison
    in_order: bool = (
        True  # whether its effects come in the order of offsets; False if it may have to wait
    )
    kind: str = ""  # for people: approval, amendment, poison, …


@dataclass(frozen=True, slots=True)
class Act:
    """A request over HTTP and its answer."""

    id: str
    outcome: Outcome
    begun: float  # monotonic seconds
    ended: float
    effects: tuple[Effect, ...] = ()
    possible: tuple[Effect, ...] = ()
    version: int | None = None  # of the aggregate, as in the answer
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record that a reader of committed records found in an input topic."""

    place: Place
    id: str  # ce_id; "" if it is unknown
    key: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event that a reader of committed records found in our topics, including duplicates."""

    place: Place
    id: str  # ce_id
    type: str
    key: str
    aggregate: str
    version: int  # ce_sequence
    effect: Effect | None = None  # None: caused by time, or a level
    level: Level | None = None
    content: str = ""  # its data, or a digest of it: always the same for one id


@dataclass(frozen=True, slots=True)
class Committed:
    """An event of a commit record in a database."""

    database: str
    topic: str
    id: str
    aggregate: str
    version: int


@dataclass(frozen=True, slots=True)
class State:
    """An aggregate at rest, as a database holds it or the API shows it."""

    database: str  # or "api"
    aggregate: str
    about: str
    version: int
    topic: str = ""  # the topic of its whole history; "": any


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; listed twice if written twice."""

    origin: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """A level that has come due; `must` is False if it may or may not come."""

    level: Level
    must: bool = True


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group was behind the last stable offset at rest, and by which source."""

    group: str
    topic: str
    partition: int
    behind: int
    by: str = ""  # the metric, Kafka's committed offset


@dataclass(frozen=True, slots=True)
class Count:
    """A figure that a service reported at rest, and the same counted over the topics."""

    subject: str
    name: str
    told: int
    counted: int


@dataclass(frozen=True, slots=True)
class History:
    """A whole history. What is None was not observed, and no law is applied to it."""

    sent: tuple[Sent, ...] = ()
    acts: tuple[Act, ...] = ()
    told: tuple[Told, ...] = ()  # in the order of offsets within each partition
    arrived: tuple[Arrived, ...] | None = None
    committed: tuple[Committed, ...] | None = None
    states: tuple[State, ...] | None = None  # of the databases
    shown: tuple[State, ...] | None = None  # by the API
    letters: tuple[Letter, ...] = ()
    dues: tuple[Due, ...] = ()
    pending: tuple[str, ...] = ()  # commits that were not published at rest
    lags: tuple[Lag, ...] = ()
    counts: tuple[Count, ...] = ()
    most_letters: int | None = None  # how often a letter may be written; None: at least once


_Line: TypeAlias = Mapping[str, Any]
_RECORDS: Final[Mapping[str, type]] = {
    "sent": Sent,
    "acts": Act,
    "told": Told,
    "arrived": Arrived,
    "committed": Committed,
    "states": State,
    "shown": State,
    "letters": Letter,
    "dues": Due,
    "pending": str,
    "lags": Lag,
    "counts": Count,
}
_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(kind) for name, kind in _RECORDS.items()
}
_LINE: Final = TypeAdapter(dict[str, Any])


def write(history: History, path: Path) -> None:
    """Write it as JSON lines, one record per line; empty lists that were observed are named too."""
    with path.open("wb") as file:
        for line in _lines(history):
            file.write(_LINE.dump_json(dict(line)) + b"\n")


def read(path: Path) -> History:
    """Read back what `write` wrote."""
    looked: dict[str, list[Any]] = {}
    others: dict[str, Any] = {}
    with path.open("rb") as file:
        for line in map(_LINE.validate_json, file):
            ((name, value),) = line.items()
            if name == "looked at":
                looked |= {each: [] for each in value}
            elif name in _ADAPTERS:
                looked[name].append(_ADAPTERS[name].validate_python(value))
            else:
                others[name] = value
    values: dict[str, Any] = {name: tuple(rows) for name, rows in looked.items()}
    return History(**values, **others)


def _lines(history: History) -> Iterable[_Line]:
    looked = [name for name in _RECORDS if getattr(history, name) is not None]
    yield {"looked at": looked}
    for each in fields(history):
        if each.name not in _RECORDS:
            yield {each.name: getattr(history, each.name)}
    for name in looked:
        for record in getattr(history, name):
            yield {name: _ADAPTERS[name].dump_python(record, mode="json")}

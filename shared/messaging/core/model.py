"""The words of delivery: what comes in, what was decided about it, what goes out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

from shared.contracts.envelope import CloudEvent
from shared.contracts.events import EventData
from shared.runtime.idempotent_replies import Reply
from shared.runtime.ids import name_id
from shared.runtime.principals import Principal

_EVENT_IDS = UUID("b7c3b1d2-52d9-5c62-9e63-4d1c8a0f7a11")

_NO_TIME: Final = 7_258_118_400_000  # milliseconds: the year 2200, as for all instants here

C = TypeVar("C")

Counted: TypeAlias = tuple[str, str, str]
"""What is counted: a subject, the day (ISO 8601, Asia/Tehran) of the change, and a name.

A subject is a kind and, behind a vertical line, which one of it: `deputy`, `province|IR-07`. Names
and subjects have neither full stop nor dollar sign.
"""
Tally: TypeAlias = Mapping[Counted, int]
"""By how much counts change."""


class Record(Protocol):
    """A record as it came from Kafka (aiokafka's ConsumerRecord is one)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in Kafka; the identity of whatever becomes of it."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """One event that could be read, with its data parsed."""

    origin: Origin
    event: CloudEvent
    data: EventData
    topic: str  # the topic it was first published to; a replayed dead letter keeps that one
    deferred: bool = False  # it came before, and has waited
    timestamp: int | None = None  # Unix milliseconds, as Kafka dated the record

    @property
    def sent_at(self) -> datetime | None:
        """When (UTC) the broker took the record, by its own clock; the same whenever it is read.

        None where it is not known, or is no time: a topic may once have had its producers' times.
        """
        if self.timestamp is None or not 0 <= self.timestamp < _NO_TIME:
            return None
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)

    @property
    def inbox_id(self) -> str:
        """What tells this event from every other where its content cannot (CloudEvents, 3.1.1)."""
        return inbox_id(self.event.source, self.event.id)


class Outcome(StrEnum):
    """What became of an event that was read; the label of `peygir_events_consumed_total`."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEAD_LETTERED = "dead_lettered"
    FORWARDED = "forwarded"  # to the topic of whoever it is for now
    DEFERRED = "deferred"  # it waits; what becomes of it in the end is counted as well


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event will never be applied as it is."""

    reason: str  # a slug: a metric's label and `x-error-type`
    detail: str  # for people: `x-error`


@dataclass(frozen=True, slots=True)
class Defer:
    """An event came before what it is about: it waits, and is refused where that never comes."""

    about: str  # the id of what it waits for
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Forward:
    """An event is somebody else's now: it goes on as it is, to his topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A message that waits."""

    id: str  # its inbox id
    group: str
    about: str  # what it waits for: an aggregate's id
    at: datetime  # machine time (UTC) since when
    record: Record


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of a dead letter on its way back, for whoever replayed it."""

    replay_id: str
    outcome: Outcome
    refusal: Refusal | None = None  # where it became a dead letter again


Verdict: TypeAlias = (
    Literal[Outcome.APPLIED, Outcome.DUPLICATE, Outcome.IGNORED] | Refusal | Defer | Forward
)


@dataclass(frozen=True, slots=True)
class Decision(Generic[C]):
    """What a handler made of a batch: a verdict a message, and the changes to save for all."""

    verdicts: Sequence[Verdict]
    changes: Sequence[C] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One event to publish, as it will stand in the topic; its data already JSON bytes."""

    id: str
    type: str
    topic: str
    key: str  # the Kafka key: the id by which the topic is ordered
    aggregate_id: str
    version: int  # of the aggregate, from 1, without gaps: ce_sequence
    time: datetime  # aware, UTC
    dataschema: str
    data: bytes
    trace: str | None = None  # W3C traceparent of what caused it


def event_of(
    data: EventData,
    *,
    topic: str,
    aggregate_id: str,
    version: int,
    time: datetime,
    key: str | None = None,
    dedup_key: str | int | None = None,
    trace: str | None = None,
) -> Event:
    """Build the event of an aggregate's version.

    `key` is the Kafka key, by default the aggregate's id. `dedup_key` tells the event from others
    of its type and aggregate, by default its version; see `event_id`.
    """
    return Event(
        id=event_id(data.TYPE, aggregate_id, version if dedup_key is None else dedup_key),
        type=data.TYPE,
        topic=topic,
        key=aggregate_id if key is None else key,
        aggregate_id=aggregate_id,
        version=version,
        time=time,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def published(message: Message, key: str, aggregate_id: str) -> Event:
    """One of our own events as it was published, read back from its topic."""
    event = message.event
    assert event.sequence is not None  # ours always have it
    return Event(
        id=event.id,
        type=event.type,
        topic=message.topic,
        key=key,
        aggregate_id=aggregate_id,
        version=event.sequence,
        time=event.time or datetime.fromtimestamp(0, UTC),
        dataschema=event.dataschema or message.data.DATASCHEMA,
        data=event.data,
        trace=event.traceparent,
    )


@dataclass(frozen=True, slots=True)
class OffsetAdvance:
    """A consumer's step forward in one partition, valid only from where it believes to stand."""

    group: str
    topic: str
    partition: int
    expected: int | None  # None: nothing stored yet
    next: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease and the number under which it was taken; a transaction that carries it holds it."""

    lease: str
    holder: str
    number: int


@dataclass(frozen=True, slots=True)
class CommitContext:
    """Who or what brings a commit about, by which authority, from which position."""

    kind: Literal["event", "request", "clock", "recovery"]
    by: str
    roles: tuple[str, ...] = ()
    moves: tuple[OffsetAdvance, ...] = ()
    fence: Fence | None = None
    answers: tuple[ReplayOutcome, ...] = ()
    defers: tuple[Deferred, ...] = ()  # messages that wait from now on
    ends: tuple[str, ...] = ()  # inbox ids of messages that waited until now
    reply: Reply | None = None  # what is answered to whoever gave his request a key


def requested(by: Principal, reply: Reply | None = None) -> CommitContext:
    """The cause that somebody asked for something, and what he is answered."""
    return CommitContext("request", by.id, roles=tuple(sorted(by.roles)), reply=reply)


RECOVERY: Final = CommitContext("recovery", "recovery")
"""What a restored database takes in from its own topics, which hold it already."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a commit brings about besides state: events to publish and counts that change."""

    events: Sequence[Event] = ()
    tally: Tally = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of an aggregate's history, with who brought it about."""

    event: Event
    by: str
    roles: tuple[str, ...]
    at: datetime  # machine time of the commit, UTC


def inbox_id(source: str, id_: str) -> str:
    """Join a `ce_source` and a `ce_id`; neither can hold the line break between them."""
    return f"{source}\n{id_}"


def event_id(type_: str, aggregate_id: str, dedup_key: str | int) -> str:
    """Derive a `ce_id` (UUID, RFC 4122 version 5): the same fact always gets the same id.

    `dedup_key` is the aggregate's version, or what makes the fact once-only by contract.
    """
    return name_id(_EVENT_IDS, f"{type_}|{aggregate_id}|{dedup_key}")

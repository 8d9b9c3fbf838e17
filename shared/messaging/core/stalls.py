"""What does not go on in this process, and why: shown by a metric within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CorruptRecordException,
    GroupAuthorizationFailedError,
    KafkaError,
    LeaderNotAvailableError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import (
    HistoryChanged,
    NoRight,
    NotAuthenticated,
    StillRecovering,
    TopicsMissing,
    Unsendable,
)
from shared.runtime.clocks import NoTime
from shared.runtime.metrics import Metrics
from shared.runtime.refused_rights import refusal, refused_right


class StallCause(StrEnum):
    """Why something waits; a label of `peygir_stalled`."""

    TOPICS_MISSING = "topics-missing"
    TOPIC_WENT_BACK = "topic-went-back"  # it ends before the stored position
    RECORDS_GONE = "records-gone"  # it begins after the stored position
    NO_RIGHT = "no-right"
    NOT_AUTHENTICATED = "not-authenticated"
    ANOTHER_HISTORY = "another-history"  # the database was restored from an older copy
    UNREADABLE = "unreadable"  # what the broker sends is no record
    TOO_FEW_REPLICAS = "too-few-replicas"
    NO_LEADER = "no-leader"
    NO_ANSWER = "no-answer"
    KAFKA = "kafka"
    MONGODB = "mongodb"
    OTHER = "other"


_OF_ACCESS: Final = frozenset({StallCause.NO_RIGHT, StallCause.NOT_AUTHENTICATED})


_NO_RIGHT: Final = (
    NoRight,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


@dataclass(frozen=True, slots=True)
class StalledPart:
    """What waits: a part of the process, its group or database, and the topic."""

    part: str  # "preparation", "recovery", "subscription", "consumer", "relay"
    name: str
    topic: str = ""


class Stalls:
    """The stalls of one process. A part has one cause at a time, the latest."""

    def __init__(self, metrics: Metrics, principal: str = "this process") -> None:
        """`principal`: who this process is in Kafka, for messages about rights."""
        self._metrics = metrics
        self._principal = principal
        self._causes: dict[StalledPart, StallCause] = {}
        self._rights: dict[StalledPart, str] = {}

    def note(self, part: StalledPart, cause: StallCause | None, lacks: str = "") -> None:
        """Note why a part waits; None if it goes on. `lacks`: which right is missing."""
        before = self._causes.pop(part, None)
        self._rights.pop(part, None)
        if lacks or cause in _OF_ACCESS:
            self._rights[part] = lacks or _right_of(part, self._principal)
        if cause is not None:
            self._causes[part] = cause
        if before is not cause:
            if before is not None:
                self._metrics.clear_stalled(part.part, part.name, part.topic, before)
            if cause is not None:
                self._metrics.set_stalled(part.part, part.name, part.topic, cause)

    @contextmanager
    def shown(self, part: StalledPart) -> Iterator[None]:
        """Surround one attempt: an error is noted as the cause, success ends the stall."""
        try:
            yield
        except Exception as error:
            self.note_error(part, error)
            raise
        self.note(part, None)

    @contextmanager
    def rights_shown(self, part: StalledPart) -> Iterator[None]:
        """Surround one attempt of a part whose other errors are no stall: only a missing right is
        noted, until an attempt succeeds."""
        try:
            yield
        except Exception as error:
            if lacking := right_lacking(error, self._principal):
                self._rights[part] = lacking
            raise
        self._rights.pop(part, None)

    def note_error(self, part: StalledPart, error: BaseException) -> None:
        """Note an error as why a part waits."""
        self.note(part, cause_of(error), right_lacking(error, self._principal))

    def rights_lacking(self) -> tuple[str, ...]:
        """What waits because this process is not let in or may not do something; a text each."""
        return tuple(sorted(set(self._rights.values())))

    def of(self, part: StalledPart) -> StallCause | None:
        """Why a part waits; None if it does not."""
        return self._causes.get(part)


def cause_of(error: BaseException) -> StallCause:  # noqa: PLR0912 - a case per cause
    """The cause that an error means."""
    match error:
        case HistoryChanged():
            return StallCause.ANOTHER_HISTORY
        case NotAuthenticated():
            return StallCause.NOT_AUTHENTICATED
        case _ if isinstance(error, _NO_RIGHT):
            return StallCause.NO_RIGHT
        case TopicsMissing() | UnknownTopicOrPartitionError():
            return StallCause.TOPICS_MISSING
        case NotEnoughReplicasError() | NotEnoughReplicasAfterAppendError():
            return StallCause.TOO_FEW_REPLICAS
        case NotLeaderForPartitionError() | LeaderNotAvailableError():
            return StallCause.NO_LEADER
        case CorruptRecordException():
            return StallCause.UNREADABLE
        case KafkaError():
            return StallCause.KAFKA
        case PyMongoError() if refused_right(error) is not None:
            return StallCause.NO_RIGHT
        case PyMongoError() | StillRecovering():
            return StallCause.MONGODB
        case OSError() | TimeoutError() | NoTime():
            return StallCause.NO_ANSWER
        case _ if error.__cause__ is not None:
            return cause_of(error.__cause__)
        case _:
            return StallCause.OTHER


def right_lacking(error: BaseException, principal: str) -> str:
    """Which right an error says is missing, and to whom; empty if it is about no right."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:  # errors may be causes of each other
        if text := _right_of_error(at, principal):
            return text
        seen.append(at)
        at = at.__cause__
    return ""


def _right_of_error(error: BaseException, principal: str) -> str:
    match error:
        case NotAuthenticated() | NoRight():
            return str(error)
        case GroupAuthorizationFailedError():
            return f"{principal} lacks the right Read on group {_named(error.args)}"
        case TopicAuthorizationFailedError():
            return f"{principal} lacks the right Read on topic {_named(error.args)}"
        case ClusterAuthorizationFailedError():
            return f"{principal} lacks the right IdempotentWrite on the cluster"
        case Unsendable() if isinstance(error.__cause__, TopicAuthorizationFailedError):
            topic = getattr(error, "topic", "(not named)")
            return f"{principal} lacks the right Write on topic {topic}"
        case PyMongoError():
            return refusal(error) or ""
        case _:
            return ""


def _named(args: tuple[Any, ...]) -> str:
    """The names in the arguments of an error of aiokafka: a text, or several."""
    found = args[0] if args else ""
    names = [found] if isinstance(found, str) else sorted(map(str, found))
    return ", ".join(names) or "(not named)"


def _right_of(part: StalledPart, principal: str) -> str:
    right = "Write" if part.part == "relay" else "Read"
    place = f"topic {part.topic}" if part.topic else f"what {part.part} {part.name} uses"
    return f"{principal} lacks the right {right} on {place}"

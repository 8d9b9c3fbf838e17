"""What does not go on in this process, and why: shown by a metric within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.errors import (
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

from shared.messaging.core.errors import HistoryChanged, StillRecovering, TopicsMissing
from shared.runtime.clocks import NoTime
from shared.runtime.metrics import Metrics
from shared.runtime.refused_rights import refusal, refused_right


class StallCause(StrEnum):
    """Why something waits; a label of `peygir_stalled`."""

    TOPICS_MISSING = "topics-missing"
    TOPIC_WENT_BACK = "topic-went-back"  # it ends before the stored position
    RECORDS_GONE = "records-gone"  # it begins after the stored position
    NO_RIGHT = "no-right"
    ANOTHER_HISTORY = "another-history"  # the database was restored from an older copy
    UNREADABLE = "unreadable"  # what the broker sends is no record
    TOO_FEW_REPLICAS = "too-few-replicas"
    NO_LEADER = "no-leader"
    NO_ANSWER = "no-answer"
    KAFKA = "kafka"
    MONGODB = "mongodb"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StalledPart:
    """What waits: a part of the process, its group or database, and the topic."""

    part: str  # "preparation", "recovery", "subscription", "consumer", "relay"
    name: str
    topic: str = ""


class Stalls:
    """The stalls of one process. A part has one cause at a time, the latest."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._causes: dict[StalledPart, StallCause] = {}
        self._refused: dict[StalledPart, str] = {}  # what MongoDB refuses to whom

    def note(self, part: StalledPart, cause: StallCause | None) -> None:
        """Note why a part waits; None if it goes on."""
        before = self._causes.pop(part, None)
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
        with self.rights_shown(part):
            try:
                yield
            except Exception as error:
                self.note(part, cause_of(error))
                raise
        self.note(part, None)

    @contextmanager
    def rights_shown(self, part: StalledPart) -> Iterator[None]:
        """Surround one attempt: a right that MongoDB refuses is noted until an attempt succeeds."""
        try:
            yield
        except Exception as error:
            self.note_right(part, error)
            raise
        self.note_right(part, None)

    def note_right(self, part: StalledPart, error: Exception | None) -> None:
        """Note whether a part waits for a right or a certificate; other errors change nothing."""
        if error is None:
            self._refused.pop(part, None)
        elif (refused := refusal(error)) is not None:
            self._refused[part] = refused

    @property
    def missing_rights(self) -> list[str]:
        """What MongoDB refuses now to parts of this process, each once."""
        return sorted(set(self._refused.values()))

    def of(self, part: StalledPart) -> StallCause | None:
        """Why a part waits; None if it does not."""
        return self._causes.get(part)


def cause_of(error: BaseException) -> StallCause:
    """The cause that an error means."""
    match error:
        case HistoryChanged():
            return StallCause.ANOTHER_HISTORY
        case TopicAuthorizationFailedError() | GroupAuthorizationFailedError():
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

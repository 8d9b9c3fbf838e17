"""What waits in place in this process, and why: shown by a metric within seconds."""

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


class StallCause(StrEnum):
    """Why something waits; a label of `peygir_stalled`."""

    TOPICS_MISSING = "topics-missing"
    TOPIC_WENT_BACK = "topic-went-back"  # it ends before the stored position
    RECORDS_GONE = "records-gone"  # it begins behind the stored position
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
    """What waits: which part of the process, of which group or database, at which topic."""

    part: str  # "preparation", "recovery", "subscription", "consumer", "relay"
    name: str
    topic: str = ""


class Stalls:
    """The stalls of one process. One thing has one cause at a time, the latest noted."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._causes: dict[StalledPart, StallCause] = {}

    def note(self, what: StalledPart, cause: StallCause | None) -> None:
        """Note why it waits; None where it goes on."""
        before = self._causes.pop(what, None)
        if cause is not None:
            self._causes[what] = cause
        if before is not cause:
            if before is not None:
                self._metrics.clear_stalled(what.part, what.name, what.topic, before)
            if cause is not None:
                self._metrics.set_stalled(what.part, what.name, what.topic, cause)

    @contextmanager
    def shown(self, what: StalledPart) -> Iterator[None]:
        """Try something: what it raises is noted as the cause, and its end that it goes on."""
        try:
            yield
        except Exception as error:
            self.note(what, cause_of(error))
            raise
        self.note(what, None)

    def of(self, what: StalledPart) -> StallCause | None:
        """Why it waits; None where it does not."""
        return self._causes.get(what)


def cause_of(error: BaseException) -> StallCause:
    """The cause that an error stands for."""
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
        case PyMongoError() | StillRecovering():
            return StallCause.MONGODB
        case OSError() | TimeoutError() | NoTime():
            return StallCause.NO_ANSWER
        case _ if error.__cause__ is not None:
            return cause_of(error.__cause__)
        case _:
            return StallCause.OTHER

"""Every topic, declared once. A job creates the topics; no client does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.contracts import events
from shared.contracts.events import EventData
from shared.contracts.services import SERVICES

LARGEST_RECORD: Final = 1_048_576
"""Bytes, uncompressed, that a record of the domain's topics may have."""

LARGEST_DEAD_LETTER: Final = LARGEST_RECORD + 65_536
"""Bytes that a dead letter may have: the original record and the notes about it."""

_PARTITIONS: Final = 3  # fixed: the order of a key's events is that of its partition
_FOR_EVER: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "max.message.bytes": str(LARGEST_RECORD),
    # The broker's limit then counts what a reader has to hold. Compressed, megabytes of blanks
    # would pass that limit, and fit in no dead letter.
    "compression.type": "uncompressed",
    # Keeps what was acknowledged: a replica that lags never becomes leader and truncates it.
    "unclean.leader.election.enable": "false",
    # The broker's clock measures delays: a producer's clock may be wrong by years.
    "message.timestamp.type": "LogAppendTime",
}
_DEAD: Final = {**_FOR_EVER, "max.message.bytes": str(LARGEST_DEAD_LETTER)}

_SESSIONS = (
    events.SessionScheduled,
    events.SessionRescheduled,
    events.SessionCancelled,
    events.InvitationIssued,
    events.SessionOpened,
    events.SessionClosed,
)
_REPORTS = (
    events.ReportReminderDue,
    events.ReportSubmitted,
    events.ReportOverdue,
    events.ReportDistributed,
    events.InitiativeHighlighted,
)
_RESOLUTIONS = (events.ResolutionApproved, events.ResolutionAmended, events.ResolutionWithdrawn)
_ABSENCES = (events.AbsenceDeclared, events.AbsenceEnded)
_FOLLOWUPS = (
    events.FollowupOpened,
    events.FollowupAmended,
    events.FollowupAcknowledged,
    events.FollowupUnacknowledged,
    events.FollowupSettled,
    events.FollowupProgressed,
    events.FollowupBlocked,
    events.FollowupUnblocked,
    events.FollowupDueSoon,
    events.FollowupOverdue,
    events.FollowupExtensionRequested,
    events.FollowupExtended,
    events.FollowupExtensionRefused,
    events.FollowupCompleted,
    events.FollowupVerified,
    events.FollowupReopened,
    events.FollowupClosed,
    events.FollowupAssigned,
    events.FollowupDelegated,
    events.FollowupDelegationEnded,
    events.FollowupCommented,
    events.FollowupItemAdded,
    events.FollowupItemDone,
    events.FollowupItemDropped,
    events.FollowupPartReported,
    events.FollowupLinked,
    events.FollowupMoved,
    events.FollowupEvidenceAdded,
    *_ABSENCES,
)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The required state of a topic."""

    name: str
    partitions: int
    owner: str
    key: str  # which id is the Kafka key, except of events in `other_keys`
    events: tuple[type[EventData], ...] = ()
    config: Mapping[str, str] = field(default_factory=lambda: _FOR_EVER)
    other_keys: Mapping[type[EventData], str] = field(default_factory=dict)

    def key_of(self, event: type[EventData]) -> str:
        """Which id is the Kafka key of an event of this topic."""
        return self.other_keys.get(event, self.key)

    def config_with(self, copies: int) -> dict[str, str]:
        """The whole config for partitions with this number of copies.

        A majority of the copies has each record before it is acknowledged. With three copies a
        record survives the loss of one broker, and producers go on. With two it survives too, but
        producers wait for the other broker; with one neither holds.
        """
        return {**self.config, "min.insync.replicas": str(copies // 2 + 1)}


class Topics:
    """The names of all topics of one installation.

    `namespace` precedes every name, so that several installations can share a cluster.
    """

    def __init__(self, deputies: Iterable[str], namespace: str = "") -> None:
        self.deputies = tuple(deputies)
        self.namespace = namespace
        self._prefix = f"{namespace}peygir"

    @property
    def sessions(self) -> str:
        return f"{self._prefix}.sessions.v1"

    @property
    def circulars(self) -> str:
        return f"{self._prefix}.circulars.v1"

    @property
    def reports(self) -> str:
        return f"{self._prefix}.reports.v1"

    @property
    def reports_restricted(self) -> str:
        return f"{self._prefix}.reports.v1.restricted"

    @property
    def notices(self) -> str:
        return f"{self._prefix}.notices.v1"

    @property
    def rejections(self) -> str:
        return f"{self._prefix}.rejections.v1"

    def resolutions(self, deputy: str) -> str:
        """The topic of a deputy's resolutions."""
        return f"{self._prefix}.resolutions.v1.{deputy}"

    def followups(self, deputy: str) -> str:
        """The topic of the events of a deputy's follow-ups."""
        return f"{self._prefix}.followups.v1.{deputy}"

    def deadletter(self, service: str) -> str:
        """The topic of a service's dead letters."""
        return f"{self._prefix}.{service}.deadletter.v1"

    def replay(self, service: str) -> str:
        """The topic that brings mended dead letters back to a service."""
        return f"{self._prefix}.{service}.replay.v1"

    def all(self) -> tuple[TopicSpec, ...]:
        """Every topic."""
        return (
            TopicSpec(self.sessions, _PARTITIONS, "scheduler", "session_id", _SESSIONS),
            TopicSpec(
                self.circulars, _PARTITIONS, "reports", "circular_id", (events.CircularIssued,)
            ),
            TopicSpec(self.reports, _PARTITIONS, "reports", "session_id", _REPORTS),
            TopicSpec(
                self.reports_restricted,
                _PARTITIONS,
                "reports",
                "session_id",
                (events.ReportSubmitted,),
            ),
            *(
                TopicSpec(
                    self.resolutions(deputy),
                    _PARTITIONS,
                    "scheduler",
                    "resolution_id",
                    _RESOLUTIONS,
                )
                for deputy in self.deputies
            ),
            *map(self._of_followups, self.deputies),
            TopicSpec(
                self.notices,
                _PARTITIONS,
                "notify",
                "notice_id",
                (events.NoticeDelivered, events.NoticeFailed),
            ),
            TopicSpec(self.rejections, 1, "all services", "ce_source", (events.EventRejected,)),
            *(
                TopicSpec(self.deadletter(s), 1, s, "the original key", config=_DEAD)
                for s in SERVICES
            ),
            *(
                TopicSpec(self.replay(s), 1, "tools.deadletter", "the original key", config=_DEAD)
                for s in SERVICES
            ),
        )

    def _of_followups(self, deputy: str) -> TopicSpec:
        return TopicSpec(
            self.followups(deputy),
            _PARTITIONS,
            "followups",
            "resolution_id",
            _FOLLOWUPS,
            other_keys=dict.fromkeys(_ABSENCES, "absence_id"),
        )

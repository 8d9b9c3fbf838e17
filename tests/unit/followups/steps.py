"""Which step of the machine a fact is the outcome of."""

from __future__ import annotations

from services.followups.domain.machine import Step
from services.followups.domain.records import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
    EvidenceAdded,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Fact,
    FellOverdue,
    Moved,
    Opened,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
    WentUnacknowledged,
)
from services.followups.domain.work import (
    Assigned,
    Commented,
    Delegated,
    DelegationEnded,
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
)


def step_of(fact: Fact) -> Step:  # noqa: PLR0912  # one case a fact
    """The step that a fact is the outcome of."""
    match fact:
        case Acknowledged(stance="agreed"):
            return Step.ACKNOWLEDGE
        case Acknowledged():
            return Step.DISPUTE
        case Settled():
            return Step.SETTLE
        case Progressed():
            return Step.PROGRESS
        case Blocked():
            return Step.BLOCK
        case Unblocked():
            return Step.UNBLOCK
        case ExtensionRequested():
            return Step.REQUEST_EXTENSION
        case Extended():
            return Step.EXTEND
        case ExtensionRefused(by=None):
            return Step.LAPSE
        case ExtensionRefused():
            return Step.REFUSE_EXTENSION
        case Completed():
            return Step.COMPLETE
        case Verified():
            return Step.VERIFY
        case Reopened():
            return Step.REOPEN
        case Closed(outcome="withdrawn"):
            return Step.WITHDRAW
        case Closed():
            return Step.CLOSE
        case Amended():
            return Step.AMEND
        case WentUnacknowledged():
            return Step.GO_UNACKNOWLEDGED
        case Assigned(officer=None):
            return Step.UNASSIGN
        case Assigned():
            return Step.ASSIGN
        case Delegated():
            return Step.DELEGATE
        case Commented():
            return Step.COMMENT
        case PartReported():
            return Step.REPORT_PART
        case Linked():
            return Step.LINK
        case ItemAdded():
            return Step.ADD_ITEM
        case ItemDone():
            return Step.FINISH_ITEM
        case ItemDropped():
            return Step.DROP_ITEM
        case DelegationEnded():
            return Step.END_DELEGATION
        case CameDueSoon():
            return Step.COME_DUE_SOON
        case FellOverdue():
            return Step.FALL_OVERDUE
        case EvidenceAdded():
            return Step.ADD_EVIDENCE
        case Moved():
            return Step.MOVE
        case Opened():
            raise AssertionError("it was opened already")

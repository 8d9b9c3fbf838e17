"""Which transition leads to a fact."""

from __future__ import annotations

from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
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
from services.followups.domain.records import EvidenceAdded
from services.followups.domain.transitions import Transition
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


def transition_of(fact: Fact) -> Transition:  # noqa: PLR0912  # long: one case per fact
    """Return the transition that leads to a fact."""
    match fact:
        case Acknowledged(stance="agreed"):
            return Transition.ACKNOWLEDGE
        case Acknowledged():
            return Transition.DISPUTE
        case Settled():
            return Transition.SETTLE
        case Progressed():
            return Transition.PROGRESS
        case Blocked():
            return Transition.BLOCK
        case Unblocked():
            return Transition.UNBLOCK
        case ExtensionRequested():
            return Transition.REQUEST_EXTENSION
        case Extended():
            return Transition.EXTEND
        case ExtensionRefused(by=None):
            return Transition.LAPSE
        case ExtensionRefused():
            return Transition.REFUSE_EXTENSION
        case Completed():
            return Transition.COMPLETE
        case Verified():
            return Transition.VERIFY
        case Reopened():
            return Transition.REOPEN
        case Closed(outcome="withdrawn"):
            return Transition.WITHDRAW
        case Closed():
            return Transition.CLOSE
        case Amended():
            return Transition.AMEND
        case WentUnacknowledged():
            return Transition.GO_UNACKNOWLEDGED
        case Assigned(officer=None):
            return Transition.UNASSIGN
        case Assigned():
            return Transition.ASSIGN
        case Delegated():
            return Transition.DELEGATE
        case Commented():
            return Transition.COMMENT
        case PartReported():
            return Transition.REPORT_PART
        case Linked():
            return Transition.LINK
        case ItemAdded():
            return Transition.ADD_ITEM
        case ItemDone():
            return Transition.FINISH_ITEM
        case ItemDropped():
            return Transition.DROP_ITEM
        case DelegationEnded():
            return Transition.END_DELEGATION
        case CameDueSoon():
            return Transition.COME_DUE_SOON
        case FellOverdue():
            return Transition.FALL_OVERDUE
        case EvidenceAdded():
            return Transition.ADD_EVIDENCE
        case Moved():
            return Transition.MOVE
        case Opened():
            raise AssertionError("it was opened already")

"""How each fact changes a follow-up. Nothing is decided here: a fact has happened."""

from __future__ import annotations

from dataclasses import replace

from services.followups.domain import work
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
from services.followups.domain.records import (
    EvidenceAdded,
    Extension,
    Followup,
    Request,
    Resolution,
    State,
    followup_id,
)
from shared.runtime.principals import deputy_role


def opened(fact: Opened) -> Followup:
    """Return the new follow-up."""
    resolution = fact.resolution
    return Followup(
        followup_id=followup_id(resolution.deputy, resolution.resolution_id),
        version=1,
        state=State.OPENED,
        resolution=resolution,
        original_due_on=resolution.due_on,
        approved_source=fact.approved_source,
        fingerprint=fact.fingerprint,
        opened_at=fact.at,
        changed_at=fact.at,
        acknowledge_by=fact.acknowledge_by,
    )


def evolve(followup: Followup, fact: Fact) -> Followup:  # noqa: PLR0912  # one case per fact
    """Return the follow-up after one more fact."""
    next_ = replace(followup, version=followup.version + 1, changed_at=fact.at)
    match fact:
        case Opened():
            return opened(fact)
        case Amended():
            parts = work.within(followup.work, fact.resolution.bodies)
            at = fact.amended_at or followup.amended_at
            return _with_resolution(replace(next_, amended_at=at, work=parts), fact.resolution)
        case Acknowledged():
            state = State.ACKNOWLEDGED if fact.stance == "agreed" else State.DISPUTED
            return replace(next_, state=state, acknowledged_at=fact.at)
        case Settled():
            return replace(next_, state=State.ACKNOWLEDGED)
        case Progressed():
            return replace(next_, state=State.IN_PROGRESS, reported=fact.progress)
        case Blocked():
            return replace(next_, state=State.BLOCKED, blocked_by=fact.blocked_by)
        case Unblocked():
            return replace(next_, state=State.IN_PROGRESS, blocked_by=None)
        case WentUnacknowledged():
            return replace(next_, unacknowledged_at=fact.at)
        case CameDueSoon():
            return replace(next_, due_soon_for=(*followup.due_soon_for, fact.due_on))
        case FellOverdue():
            return replace(next_, level=fact.level)
        case ExtensionRequested() | Extended() | ExtensionRefused():
            return _after_extension(next_, fact)
        case Completed() | Verified() | Reopened() | Closed():
            return _after_claim(next_, fact)
        case EvidenceAdded():
            return replace(next_, evidence=(*followup.evidence, fact))
        case Moved():
            return replace(
                next_,
                resolution=replace(followup.resolution, deputy=fact.to),
                former_deputies=(*followup.former_deputies, fact.previous_deputy),
                work=replace(followup.work, officer=None, delegation=None),
            )
        case _:
            return replace(next_, work=work.after(followup.work, fact))


def _after_extension(
    next_: Followup, fact: ExtensionRequested | Extended | ExtensionRefused
) -> Followup:
    match fact:
        case ExtensionRequested():
            request = Request(fact.requested_due_on, fact.by, fact.at, fact.reason, fact.lapses_at)
            requested_for = (*next_.requested_for, fact.due_on)
            return replace(next_, request=request, requested_for=requested_for)
        case Extended():
            granted = Extension(fact.previous_due_on, fact.due_on, fact.by, fact.at)
            extended = replace(next_, request=None, extensions=(*next_.extensions, granted))
            return _with_resolution(extended, replace(next_.resolution, due_on=fact.due_on))
        case ExtensionRefused():
            return replace(next_, request=None)


def _after_claim(next_: Followup, fact: Completed | Verified | Reopened | Closed) -> Followup:
    match fact:
        case Completed():
            return replace(
                next_,
                state=State.DONE,
                claimed_by=fact.by,
                claimed_for=_claimed_for(next_, fact),
                claimed_at=fact.at,
                blocked_by=None,
                request=None,
            )
        case Verified():
            return replace(next_, state=State.VERIFIED, verified_by=fact.by, finding=fact.finding)
        case Reopened():
            return replace(
                next_,
                state=State.REOPENED,
                claimed_by=None,
                claimed_for=None,
                claimed_at=None,
                verified_by=None,
                finding=None,
            )
        case Closed():
            return replace(
                next_,
                state=State.CLOSED,
                outcome=fact.outcome,
                closed_by=fact.by,
                request=None,
                blocked_by=None,
            )


def _claimed_for(followup: Followup, fact: Completed) -> str | None:
    if fact.absence_id is not None:
        return deputy_role(followup.deputy)
    delegation = followup.work.delegated_to(fact.by, fact.at)
    return None if delegation is None else delegation.by


def _with_resolution(followup: Followup, resolution: Resolution) -> Followup:
    """Replace the resolution; a new due date has its own levels.

    If a date was due before, its former level counts again. A new due date also ends the request
    for an extension, which was about the former date.
    """
    former_due_on = followup.resolution.due_on
    if resolution.due_on == former_due_on:
        return replace(followup, resolution=resolution)
    levels = dict(followup.former_levels)
    if followup.level:
        levels[former_due_on] = followup.level
    level = levels.pop(resolution.due_on, 0)
    former = tuple(sorted(levels.items()))
    return replace(followup, resolution=resolution, level=level, former_levels=former, request=None)

"""What may happen to a follow-up, and who may bring it about. A refusal is a named error."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from services.followups.domain.records import (
    ENDED,
    Acknowledged,
    Amended,
    Closed,
    Completed,
    Finding,
    Followup,
    Opened,
    Progressed,
    Reopened,
    Resolution,
    Stance,
    State,
    Verified,
)
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal


class Refused(Exception):
    """The domain says no; the message says why, `reason` is its slug for machines."""

    reason: ClassVar[str] = "refused"


class WrongDeputy(Refused):
    """The resolution names another deputy than the topic that it came by."""

    reason = "wrong-deputy"


class Conflict(Refused):
    """The resolution is known with other data."""

    reason = "conflict"


class DueBeforeApproval(Refused):
    """The due date lies before the day of approval."""

    reason = "due-before-approval"


class Outdated(Refused):
    """A later amendment was applied already."""

    reason = "outdated"


class UnknownResolution(Refused):
    """There is no follow-up for that resolution here."""

    reason = "unknown-resolution"


class NotTheApprover(Refused):
    """Only the source that approved, or the scheduler, amends or withdraws."""

    reason = "not-the-approver"


class NotAllowed(Refused):
    """Whoever asks has no right to it."""

    reason = "not-allowed"


class NotNow(Refused):
    """It cannot be done as the follow-up stands."""

    reason = "not-now"


class BadProgress(Refused):
    """Progress is a whole number from 0 to 100."""

    reason = "bad-progress"


# -- what comes by event ------------------------------------------------------------------------


def require_own(named: str, deputy: str) -> None:
    """Refuse what names another deputy than the topic's. Raises WrongDeputy."""
    if named != deputy:
        raise WrongDeputy(f"data.deputy is {named!r}, the topic is of {deputy!r}")


def open_(resolution: Resolution, source: str, fingerprint: str, now: datetime) -> Opened:
    """Open a follow-up for a resolution that is not known yet. Raises DueBeforeApproval."""
    approved_on = tehran_date(resolution.approved_at)
    if resolution.due_on < approved_on:
        raise DueBeforeApproval(
            f"due_on {resolution.due_on} is before the approval on {approved_on}"
        )
    return Opened(now, resolution, source, fingerprint)


def approve_again(followup: Followup, fingerprint: str) -> None:
    """Take an approval that is known already. Raises Conflict where it comes with other data."""
    if followup.fingerprint != fingerprint:
        raise Conflict(f"{followup.resolution_id} is known with other data")


def amend(
    followup: Followup,
    resolution: Resolution,
    source: str,
    scheduler: str,
    reason: str | None,
    amendment: str,
    amended_at: datetime,
    now: datetime,
) -> Amended | None:
    """Amend a resolution; None where it changes nothing.

    Raises NotTheApprover, NotNow, Outdated, DueBeforeApproval.
    """
    _require_the_approver(followup, source, scheduler)
    if resolution == followup.resolution:
        return None
    if followup.state in ENDED:
        raise NotNow(f"the follow-up is {followup.state}")
    if followup.amended_at is not None and amended_at < followup.amended_at:
        raise Outdated(f"an amendment of {followup.amended_at.isoformat()} was applied")
    if resolution.due_on < tehran_date(resolution.approved_at):
        raise DueBeforeApproval(f"due_on {resolution.due_on} is before the approval")
    return Amended(now, source, resolution, reason, amendment, amended_at)


def withdraw(
    followup: Followup, source: str, scheduler: str, reason: str | None, now: datetime
) -> Closed | None:
    """Withdraw a resolution; None where it was. Raises NotTheApprover, NotNow."""
    _require_the_approver(followup, source, scheduler)
    if followup.outcome == "withdrawn":
        return None
    if followup.state in ENDED:
        raise NotNow(f"the follow-up is {followup.state}")
    return Closed(now, source, "withdrawn", reason)


def _require_the_approver(followup: Followup, source: str, scheduler: str) -> None:
    if source not in {followup.approved_source, scheduler}:
        raise NotTheApprover(f"{source} did not approve {followup.resolution_id}")


# -- what people do -----------------------------------------------------------------------------


def acknowledge(
    followup: Followup, by: Principal, stance: Stance, note: str | None, now: datetime
) -> Acknowledged:
    """Take note of it. Raises NotAllowed, NotNow."""
    _require_the_deputy(followup, by)
    _require_state(followup, State.OPENED)
    return Acknowledged(now, by.id, stance, note)


def report_progress(
    followup: Followup, by: Principal, progress: int, note: str | None, now: datetime
) -> Progressed:
    """Say how far it is. Raises NotAllowed, NotNow, BadProgress."""
    _require_the_deputy(followup, by)
    _require_state(followup, State.ACKNOWLEDGED, State.IN_PROGRESS, State.REOPENED)
    if not 0 <= progress <= 100:
        raise BadProgress(f"{progress} is not from 0 to 100")
    return Progressed(now, by.id, progress, note)


def complete(followup: Followup, by: Principal, note: str | None, now: datetime) -> Completed:
    """Claim that it is done. Raises NotAllowed, NotNow."""
    _require_the_deputy(followup, by)
    _require_state(followup, State.ACKNOWLEDGED, State.IN_PROGRESS, State.REOPENED)
    return Completed(now, by.id, note)


def verify(
    followup: Followup, by: Principal, finding: Finding, note: str | None, now: datetime
) -> Verified:
    """Confirm that it is done. Raises NotAllowed, NotNow."""
    _require_state(followup, State.DONE)
    _require_the_verifier(followup, by)
    return Verified(now, by.id, finding, note)


def reopen(followup: Followup, by: Principal, reason: str, now: datetime) -> Reopened:
    """Refuse a claim, or take a confirmation back. Raises NotAllowed, NotNow."""
    _require_state(followup, State.DONE, State.VERIFIED)
    _require_the_verifier(followup, by)
    return Reopened(now, by.id, reason)


def _require_the_deputy(followup: Followup, by: Principal) -> None:
    if not by.answers_for(followup.deputy):
        raise NotAllowed(f"{by.id} does not answer for {followup.deputy}")


def _require_the_verifier(followup: Followup, by: Principal) -> None:
    """Coordination or the province concerned; coordination's own by the Minister's office.

    Never whoever claimed it, whatever else that person may be.
    """
    if by.id == followup.claimed_by:
        raise NotAllowed(f"{by.id} claimed it; somebody else confirms")
    if followup.deputy == "coordination":
        allowed = by.is_minister_office
    else:
        province = followup.resolution.province
        allowed = by.is_coordination or (province is not None and by.speaks_for(province))
    if not allowed:
        raise NotAllowed(f"{by.id} may not confirm for {followup.deputy}")


def _require_state(followup: Followup, *states: State) -> None:
    if followup.state not in states:
        wanted = " or ".join(states)
        raise NotNow(f"the follow-up is {followup.state}; this needs {wanted}")


def buckets(followup: Followup | None) -> frozenset[str]:
    """What a follow-up counts as: its state and, where it is open and past due, its level."""
    if followup is None:
        return frozenset()
    counted = {f"state:{followup.state}"}
    if followup.level and followup.state not in ENDED:
        counted.add(f"overdue:{followup.level}")
    return frozenset(counted)


def tally(before: Followup | None, after: Followup) -> dict[str, int]:
    """How the counts change from one version to a later one."""
    was, is_ = buckets(before), buckets(after)
    return {**dict.fromkeys(was - is_, -1), **dict.fromkeys(is_ - was, 1)}

"""The recipients of a notification, the id of a notice, and the states of its life."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.backoff import wait_seconds
from services.notify.domain.notices import Delivered, Failed, PutOff, State, evolve, new_notices
from services.notify.domain.notifications import check
from services.notify.domain.refusals import DueBeforeApproval, WrongDeputy
from tests.unit.notify.examples import NOW, followup, report, resolution, session


def test_each_matter_goes_to_whom_it_concerns() -> None:
    assert session(provinces=("IR-09", "IR-23", "IR-09")).recipients == (
        *("province:IR-09", "province:IR-23"),
    )
    assert session(provinces=()).recipients == ()
    assert report().recipients == ("province:IR-09",)
    assert resolution().recipients == ("deputy:civil",)
    levels = [followup(level=level).recipients for level in (1, 2, 3)]
    assert levels == [("deputy:civil",), ("coordination",), ("minister-office",)]


def test_a_notice_is_named_by_what_it_is_about() -> None:
    def id_of(notification: object) -> str:
        (notice,) = new_notices(notification, NOW, None)  # type: ignore[arg-type]  # one of the four
        return notice.notice_id

    assert id_of(resolution()) == id_of(resolution(title="عنوان دیگر"))
    assert id_of(session()) == id_of(session(starts_at=NOW, ends_at=NOW))
    notifications = [
        session(),
        report(),
        report(due_at=NOW),
        resolution(),
        followup(),
        followup(level=2),
        followup(due_on=date(2024, 4, 1)),
    ]
    assert len({id_of(notification) for notification in notifications}) == len(notifications)
    both = new_notices(session(provinces=("IR-09", "IR-23")), NOW, None)
    assert len({notice.notice_id for notice in both}) == 2


def test_the_subject_is_the_id_of_what_it_is_about() -> None:
    subjects = [m.subject for m in (session(), report(), resolution(), followup())]
    assert subjects == ["1402-IR-09", "1402-IR-09", "1402-IR-09-R001", "6f1c"]


def test_a_resolution_that_is_not_followed_is_refused() -> None:
    check(resolution(), "civil")
    check(resolution(due_on=date(2024, 3, 11)), "civil")
    check(session(), None)
    with pytest.raises(WrongDeputy, match=r"'civil'.*'social'"):
        check(resolution(), "social")
    with pytest.raises(WrongDeputy):
        check(followup(), "social")
    with pytest.raises(DueBeforeApproval):
        check(resolution(due_on=date(2024, 3, 10)), "civil")


def test_the_day_of_approval_is_tehrans() -> None:
    late_evening = datetime(2024, 3, 11, 21, 0, tzinfo=UTC)  # past midnight in Tehran
    with pytest.raises(DueBeforeApproval):
        check(resolution(approved_at=late_evening, due_on=date(2024, 3, 11)), "civil")


def test_a_notice_waits_until_it_is_delivered_or_has_failed() -> None:
    (notice,) = new_notices(resolution(), NOW, "trace")
    assert (notice.state, notice.version, notice.tries) == (State.PENDING, 0, 0)
    later = NOW + timedelta(hours=1)
    waits = evolve(notice, PutOff(later, "451 later"))
    assert (waits.state, waits.version, waits.tries) == (State.PENDING, 0, 1)
    assert waits.reason == "451 later"
    taken = evolve(waits, Delivered(later))
    assert (taken.state, taken.version, taken.tries) == (State.DELIVERED, 1, 2)
    assert (taken.reason, taken.changed_at, taken.created_at) == (None, later, NOW)
    refused = evolve(waits, Failed(later, "550 unknown"))
    assert (refused.state, refused.version, refused.reason) == (State.FAILED, 1, "550 unknown")


@given(tries=st.integers(1, 10_000), first=st.floats(0.01, 900))
def test_waits_grow_from_the_first_to_fifteen_minutes(tries: int, first: float) -> None:
    assert wait_seconds(1, first) == first
    assert first <= wait_seconds(tries, first) <= wait_seconds(tries + 1, first) <= 900
    assert wait_seconds(64, first) == 900

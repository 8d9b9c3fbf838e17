"""Examples for the tests of reports: a session in Mashhad, its province, a report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.decisions import Submission
from services.reports.domain.records import Expectation, Fact, Recipient, Session, evolve, expected
from services.reports.events import Addresses
from services.reports.handlers import HandlerContext
from shared.contracts.envelope import CloudEvent
from shared.contracts.events import (
    EventData,
    SessionCancelled,
    SessionRescheduled,
    SessionScheduled,
)
from shared.messaging.core.model import Message, Origin
from shared.runtime.principals import Principal, Roles

STARTS_AT = datetime(2024, 2, 26, 5, 30, tzinfo=UTC)
DUE_AT = STARTS_AT - timedelta(hours=72)
BEFORE = DUE_AT - timedelta(days=10)
TITLE = "نشست تخصصی استان خراسان رضوی"
SESSION = Session("IR-09", TITLE, STARTS_AT, DUE_AT)
SCHEDULER = "urn:peygir:scheduler"
ADDRESSES = Addresses("reports", "restricted", "circulars")
RECEPTION = HandlerContext(
    CATALOGUES,
    frozenset({"security"}),
    (Recipient("deputy", "civil", "معاونت عمرانی"),),
    ADDRESSES,
    SCHEDULER,
)


def principal(*roles: str, user: str = "somebody") -> Principal:
    """A person with these roles."""
    return Principal.with_roles(user, roles, Roles.of())


COORDINATION = principal("coordination", user="c.ahmadi")
KHORASAN = principal("province:IR-09", user="g.rezaei")


def submission(**changes: Any) -> Submission:
    """A report with two answers, one of them on a restricted axis."""
    given: dict[str, Any] = {
        "province": "IR-09",
        "catalogue_version": 1,
        "answers": {
            "crisis": {"relief": "سه انبار تازه آماده شد"},
            "security": {"borders": "مرز دوغارون آرام است"},
        },
        **changes,
    }
    return Submission(**given)


def awaited(session: Session = SESSION, sequence: int | None = 1) -> Expectation:
    """The expectation of a session that was just announced."""
    return expected(decisions.expect("1402-IR-09", session, sequence, BEFORE))


def after(expectation: Expectation, *facts: Fact) -> Expectation:
    """The expectation after these facts."""
    for fact in facts:
        expectation = evolve(expectation, fact)
    return expectation


def submitted(now: datetime = BEFORE, expectation: Expectation | None = None) -> Expectation:
    """The expectation after its province sent a report."""
    before = expectation or awaited()
    facts = decisions.submit(before, KHORASAN, submission(), CATALOGUES, {"security"}, now)
    return after(before, *facts)


def scheduled(session_id: str = "1402-IR-09", **changes: Any) -> SessionScheduled:
    """The scheduler's announcement of the session."""
    given: Mapping[str, Any] = {
        "session_id": session_id,
        "kind": "provincial",
        "provinces": ("IR-09",),
        "title": TITLE,
        "starts_at": STARTS_AT,
        "ends_at": STARTS_AT + timedelta(hours=4),
        "mode": "in-person",
        "report_due_at": DUE_AT,
        **changes,
    }
    return SessionScheduled(**given)


def rescheduled(
    session_id: str = "1402-IR-09", days: int = 7, **changes: Any
) -> SessionRescheduled:
    """The session was moved by so many days."""
    starts_at = STARTS_AT + timedelta(days=days)
    given: Mapping[str, Any] = {
        "session_id": session_id,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=4),
        "previous_starts_at": STARTS_AT,
        "report_due_at": starts_at - timedelta(hours=72),
        **changes,
    }
    return SessionRescheduled(**given)


def cancelled(session_id: str = "1402-IR-09") -> SessionCancelled:
    """The session will not take place."""
    return SessionCancelled(session_id=session_id, cancelled_at=BEFORE)


def message(
    data: EventData,
    sequence: int | None = None,
    id_: str = "1",
    offset: int = 0,
    source: str = SCHEDULER,
) -> Message:
    """The event as a message from the topic of sessions."""
    event = CloudEvent(id=id_, source=source, type=data.TYPE, data=b"", sequence=sequence)
    return Message(Origin("sessions", 0, offset), event, data, "sessions")

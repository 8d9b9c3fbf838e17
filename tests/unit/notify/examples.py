"""Notifications and messages for the tests of notices."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from services.notify.domain.notifications import (
    ApprovedResolution,
    OverdueFollowup,
    OverdueReport,
    ScheduledSession,
)
from shared.contracts.envelope import CloudEvent
from shared.contracts.events import EventData
from shared.messaging.core.model import Message, Origin

NOW = datetime(2024, 3, 1, 6, 0, tzinfo=UTC)


def session(**changes: Any) -> ScheduledSession:
    """The last session planned for 1402: 21 Esfand, from nine in Tehran."""
    known: dict[str, Any] = {
        "session_id": "1402-IR-09",
        "kind": "provincial",
        "title": "نشست تخصصی استان خراسان رضوی",
        "provinces": ("IR-09",),
        "starts_at": datetime(2024, 3, 11, 5, 30, tzinfo=UTC),
        "ends_at": datetime(2024, 3, 11, 10, 0, tzinfo=UTC),
        "mode": "in-person",
        "venue": "سالن شهید رجایی",
        "report_due_at": datetime(2024, 3, 8, 5, 30, tzinfo=UTC),
    }
    return ScheduledSession(**{**known, **changes})


def report(**changes: Any) -> OverdueReport:
    known: dict[str, Any] = {
        "session_id": "1402-IR-09",
        "province": "IR-09",
        "due_at": datetime(2024, 3, 8, 5, 30, tzinfo=UTC),
        "title": "نشست تخصصی استان خراسان رضوی",
    }
    return OverdueReport(**{**known, **changes})


def resolution(**changes: Any) -> ApprovedResolution:
    known: dict[str, Any] = {
        "resolution_id": "1402-IR-09-R001",
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": datetime(2024, 3, 11, 10, 0, tzinfo=UTC),
        "due_on": date(2024, 6, 20),
        "session_id": "1402-IR-09",
        "province": "IR-09",
        "axis": "civil-infrastructure",
        "text": "پل تا پایان بهار تکمیل شود.\nگزارش ماهانه ارسال شود.",
        "supporting": ("استانداری خراسان رضوی", "سازمان برنامه و بودجه"),
        "executing_body": "وزارت راه و شهرسازی",
        "priority": "normal",
        "number": "۱۲۳/م",
    }
    return ApprovedResolution(**{**known, **changes})


def followup(**changes: Any) -> OverdueFollowup:
    known: dict[str, Any] = {
        "followup_id": "6f1c",
        "resolution_id": "1402-IR-09-R001",
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "due_on": date(2024, 3, 11),
        "original_due_on": date(2024, 3, 1),
        "days_overdue": 12,
        "level": 1,
        "progress": 40,
        "session_id": "1402-IR-09",
        "province": "IR-09",
        "axis": "civil-infrastructure",
    }
    return OverdueFollowup(**{**known, **changes})


def message(data: EventData, topic: str, id_: str = "1", trace: str | None = None) -> Message:
    """An event as the consumer passes it to the handlers."""
    event = CloudEvent(
        id=id_, source="/foreign", type=data.TYPE, data=data.to_json(), traceparent=trace
    )
    return Message(Origin(topic, 0, 0), event, data, topic)

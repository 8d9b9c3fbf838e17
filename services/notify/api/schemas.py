"""What the API answers, with the field names of the events."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from services.notify.domain.notices import CHANNEL, Notice, State, Trouble
from services.notify.domain.notifications import Template


class NoticeItem(BaseModel):
    """A notice, with the field names of the events."""

    notice_id: str
    channel: str
    template: Template
    subject: str = Field(description="the id of the session, resolution or follow-up")
    recipient_role: str
    state: State
    tries: int = Field(
        description="how often the mail server was asked to accept it, or its recipient"
    )
    reason: str | None = Field(description="the mail server's last refusal")
    put_off_by: Trouble | None = Field(
        description="what it waits for longer than others, if anything"
    )
    created_at: datetime
    changed_at: datetime
    version: int


def notice_item(notice: Notice) -> NoticeItem:
    """A notice as the API answers it."""
    return NoticeItem(
        notice_id=notice.notice_id,
        channel=CHANNEL,
        template=notice.template,
        subject=notice.subject,
        recipient_role=notice.recipient_role,
        state=notice.state,
        tries=notice.tries,
        reason=notice.reason,
        put_off_by=notice.trouble,
        created_at=notice.created_at,
        changed_at=notice.changed_at,
        version=notice.version,
    )

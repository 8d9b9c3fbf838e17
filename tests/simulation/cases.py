"""What the small service of the simulation decides: a case is opened, amended, overdue, closed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.contracts.envelope import rfc3339
from shared.contracts.events import (
    FollowupAmended,
    FollowupClosed,
    FollowupOpened,
    FollowupOverdue,
    FollowupProgressed,
    ResolutionAmended,
    ResolutionApproved,
    ResolutionWithdrawn,
)
from shared.messaging.core.model import Event, Message, event_id

LEVELS: Final = 3
LEVEL_APART: Final = timedelta(seconds=1)
DEPUTY: Final = "civil"
TOLD: Final = "cases"  # the topic of its events


class Refused(Exception):
    """The rules say no; `reason` is a slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unknown(Exception):
    """There is no such case, or something that came before waits still."""


@dataclass(slots=True)
class Draft:
    """A case while changes are folded into it."""

    id: str
    before: Mapping[str, Any] | None
    after: dict[str, Any] | None
    events: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    waited_for: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return bool(self.events or self.inbox)

    @property
    def version(self) -> int:
        """Its version so far."""
        return 0 if self.after is None else int(self.after["version"])


def draft(id_: str, stored: Mapping[str, Any] | None) -> Draft:
    """Begin to change a case, or what will be one."""
    return Draft(id_, stored, None if stored is None else dict(stored))


def read_due(text: str) -> datetime:
    """When something is due: in these events the text says it, to the millisecond."""
    return datetime.fromisoformat(text)


def approve(case: Draft, data: ResolutionApproved, now: datetime) -> bool:
    """Open it; False where it was. Raises Refused where it was opened as another."""
    print_ = hashlib.sha256(data.to_json()).hexdigest()
    if case.after is not None:
        if case.after["print"] != print_:
            raise Refused("conflict")
        return False
    due = read_due(data.text or "")
    case.after = {
        "_id": case.id,
        "version": 0,
        "state": "open",
        "title": data.title,
        "print": print_,
        "level": 0,
        "due": due,
        "amended_at": None,
        "next_alert": due,
    }
    _tell(
        case,
        FollowupOpened.TYPE,
        now,
        {
            "title": data.title,
            "approved_at": rfc3339(data.approved_at),
            "due_on": due.date().isoformat(),
            "original_due_on": due.date().isoformat(),
            "approved_source": "urn:test",
            "fingerprint": print_,
            "text": data.text,
        },
    )
    return True


def amend(case: Draft, data: ResolutionAmended, id_: str, now: datetime) -> None:
    """Change what it says. Raises Unknown and Refused."""
    after = _open(case)
    at = after["amended_at"]
    if at is not None and data.amended_at < at:
        raise Refused("outdated")
    after["title"], after["amended_at"] = data.title, data.amended_at
    _tell(
        case,
        FollowupAmended.TYPE,
        now,
        {
            "by": "urn:test",
            "title": data.title,
            "due_on": after["due"].date().isoformat(),
            "amendment": id_,
            "amended_at": rfc3339(data.amended_at),
        },
    )


def close(case: Draft, now: datetime) -> None:
    """End it. Raises Unknown and Refused."""
    after = _open(case)
    after["state"] = "closed"
    after.pop("next_alert", None)
    _tell(case, FollowupClosed.TYPE, now, {"by": "urn:test", "outcome": "withdrawn"})


def progress(case: Draft, note: str, now: datetime) -> None:
    """Note how far it is. Raises Unknown and Refused."""
    _open(case)
    _tell(case, FollowupProgressed.TYPE, now, {"by": "urn:test", "progress": 50, "note": note})


def overdue(case: Draft, now: datetime) -> None:
    """Tell every level that has come, each once."""
    after = _open(case)
    while after["level"] < LEVELS and after.get("next_alert") and after["next_alert"] <= now:
        after["level"] += 1
        level = after["level"]
        due_on = rfc3339(after["due"])
        _tell(
            case,
            FollowupOverdue.TYPE,
            now,
            {
                "title": after["title"],
                "due_on": after["due"].date().isoformat(),
                "original_due_on": after["due"].date().isoformat(),
                "days_overdue": 1,
                "level": level,
                "progress": 0,
            },
            event_id(FollowupOverdue.TYPE, case.id, f"{due_on}|{level}"),
        )
        if level < LEVELS:
            after["next_alert"] = after["due"] + level * LEVEL_APART
        else:
            after.pop("next_alert")


def take_in(case: Draft, message: Message) -> bool:
    """Apply one of our own events that this database may not hold; False where it does."""
    data, sequence = message.data, message.event.sequence
    if sequence != case.version + 1:
        return False
    if isinstance(data, FollowupOpened):
        due = read_due(data.text or "")
        case.after = {
            "_id": case.id,
            "version": 0,
            "state": "open",
            "title": data.title,
            "print": data.fingerprint,
            "level": 0,
            "due": due,
            "amended_at": None,
            "next_alert": due,
        }
    after = case.after
    assert after is not None
    if isinstance(data, FollowupAmended):
        after["title"], after["amended_at"] = data.title, data.amended_at
        case.inbox.append(f"{data.by}\n{data.amendment}")
    elif isinstance(data, FollowupClosed):
        after["state"] = "closed"
        after.pop("next_alert", None)
        case.inbox.append(f"{data.by}\nwithdraw-{case.id}")
    elif isinstance(data, FollowupOverdue):
        after["level"] = data.level
        if data.level < LEVELS:
            after["next_alert"] = after["due"] + data.level * LEVEL_APART
        else:
            after.pop("next_alert", None)
    after["version"] = sequence
    return True


def take(case: Draft, message: Message, seen: set[str], now: datetime) -> bool:
    """Take one resolution event; False where it came before. Raises Unknown and Refused."""
    data = message.data
    if isinstance(data, ResolutionApproved):
        return approve(case, data, now)
    if message.inbox_id in seen:
        return False
    if case.waited_for and not message.deferred:
        raise Unknown
    if isinstance(data, ResolutionAmended):
        amend(case, data, message.event.id, now)
    else:
        close(case, now)
    case.inbox.append(message.inbox_id)
    seen.add(message.inbox_id)
    return True


def about(messages: Sequence[Message]) -> dict[str, None]:
    """Which cases a batch is about, in its order."""
    ids: dict[str, None] = {}
    for message in messages:
        if isinstance(message.data, ResolutionApproved | ResolutionAmended | ResolutionWithdrawn):
            ids.setdefault(message.data.resolution_id)
    return ids


def _open(case: Draft) -> dict[str, Any]:
    if case.after is None:
        raise Unknown
    if case.after["state"] != "open":
        raise Refused("closed")
    return case.after


def _tell(
    case: Draft, type_: str, now: datetime, content: Mapping[str, Any], id_: str | None = None
) -> None:
    assert case.after is not None
    case.after["version"] += 1
    version = case.after["version"]
    data = {"followup_id": case.id, "resolution_id": case.id, "deputy": DEPUTY, **content}
    if type_ != FollowupOverdue.TYPE:
        data["at"] = rfc3339(now)
    case.events.append(
        Event(
            id=id_ or event_id(type_, case.id, version),
            type=type_,
            topic=TOLD,
            key=case.id,
            aggregate_id=case.id,
            version=version,
            time=now,
            dataschema="urn:x",
            data=json.dumps(data, separators=(",", ":")).encode(),
        )
    )

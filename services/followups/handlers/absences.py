"""Absences of a deputy: declared, ended, and taken in again from our own topic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

from services.followups.domain import absences
from services.followups.domain.absences import Absence
from services.followups.handlers import absence_events
from services.followups.handlers.ports import (
    AbsenceChange,
    AbsenceRepository,
    HandlerContext,
    UnknownAbsence,
)
from shared.contracts.events import AbsenceEvent
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import RECOVERY, Event, Message, published, requested
from shared.runtime import commands

AbsenceCommand: TypeAlias = commands.Command[AbsenceRepository, HandlerContext, Absence]


async def declare_absence(
    command: AbsenceCommand, substitute: str, first_on: date, last_on: date, reason: str
) -> Absence:
    """Declare an absence of the context's deputy; the days are of Asia/Tehran.

    It is decided again if another one is declared meanwhile. Raises BadSubstitute, BadFirstDay,
    BadLastDay, Overlaps, and Stale if others were faster every time.
    """
    store = command.store

    async def once() -> Absence:
        known = await store.known(first_on)
        declared = absences.declare(
            Absence(
                absence_id=command.aggregate_id,
                deputy=command.context.deputy,
                substitute=substitute,
                first_on=first_on,
                last_on=last_on,
                reason=reason,
                declared_by=command.by.id,
                declared_at=command.now,
            ),
            known.absences,
        )
        change = AbsenceChange(None, declared, [_event(command, declared)])
        await store.save([change], requested(command.by, command.reply(declared)), known.turn)
        return declared

    return await retry_on_conflict(once)


async def end_absence(command: AbsenceCommand) -> Absence:
    """End an absence at once. Raises UnknownAbsence, NotNow, and Stale like the above."""
    store = command.store

    async def once() -> Absence:
        before = await store.get(command.aggregate_id)
        if before is None:
            raise UnknownAbsence(command.aggregate_id)
        ended = absences.end(before, command.by.id, command.now)
        change = AbsenceChange(before, ended, [_event(command, ended)])
        await store.save([change], requested(command.by, command.reply(ended)))
        return ended

    return await retry_on_conflict(once)


async def recover_absences(messages: Sequence[Message], store: AbsenceRepository) -> int:
    """Apply those of our own events of absences that the store does not hold; return how many.

    Raises Stale if another process recovers the same at this moment.
    """
    changes: dict[str, AbsenceChange] = {}
    for message in messages:
        data = message.data
        if not isinstance(data, AbsenceEvent):
            continue
        id_ = data.absence_id
        change = changes.get(id_)
        known = await store.get(id_) if change is None else change.after
        after = absence_events.from_event(data, known)
        if after is None or message.event.sequence != after.version:
            continue
        event = published(message, id_, id_)
        changes[id_] = (
            AbsenceChange(known, after, [event])
            if change is None
            else AbsenceChange(change.before, after, [*change.events, event])
        )
    if changes:
        await store.save(list(changes.values()), RECOVERY)
    return sum(len(change.events) for change in changes.values())


def _event(command: AbsenceCommand, absence: Absence) -> Event:
    return absence_events.to_event(absence, command.context.topic, command.trace)

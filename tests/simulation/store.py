"""The cases of the small service, kept as a service's own store keeps what it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne

from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import (
    RECOVERY,
    CommitContext,
    Decision,
    Defer,
    Effects,
    Event,
    Fence,
    Message,
    Outcome,
    Refusal,
    Verdict,
    published,
)
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.inbox import Inbox
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.due_queue import DueQueue
from tests.simulation import cases
from tests.simulation.cases import Draft


class Store:
    """The cases, as a service's own store keeps what it has."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.due_queue = DueQueue(ledger, "cases", "next_alert")
        self._cases = ledger.database["cases"]
        self._inbox = Inbox(ledger.database)
        self._deferral = DeferredMessages(ledger.database)

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._ledger.prepare()
        await self._cases.create_indexes([IndexModel([("next_alert", ASCENDING)], name="due")])

    async def load(self, ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """Those that exist."""
        found = self._cases.find({"_id": {"$in": list(ids)}})
        return {document["_id"]: document async for document in found}

    async def take(self, messages: Sequence[Message], now: datetime) -> Decision[Draft]:
        """Decide about a batch, folded by case in the order of its offsets."""
        ids = cases.about(messages)
        known = await self.load(ids)
        later = [m for m in messages if cases.about([m]) and "Approved" not in m.event.type]
        seen = set(await self._inbox.seen([message.inbox_id for message in later]))
        new = [next(iter(cases.about([m]))) for m in later if not m.deferred]
        waited_for = await self._deferral.about(list(dict.fromkeys(new)))
        drafts = {id_: cases.draft(id_, known.get(id_)) for id_ in ids}
        for id_ in waited_for:
            drafts[id_].waited_for = True
        verdicts: list[Verdict] = []
        for message in messages:
            id_ = next(iter(cases.about([message])), "")
            case = drafts.get(id_)
            if case is None:
                verdicts.append(Outcome.IGNORED)
                continue
            try:
                taken = cases.take(case, message, seen, now)
                verdicts.append(Outcome.APPLIED if taken else Outcome.DUPLICATE)
            except cases.Unknown:
                case.waited_for = True
                verdicts.append(Defer(id_, Refusal("unknown-resolution", id_)))
            except cases.Refused as refused:
                verdicts.append(Refusal(refused.reason, id_))
        return Decision(verdicts, [case for case in drafts.values() if case.changed])

    async def save(self, drafts: Sequence[Draft], cause: CommitContext) -> None:
        """Save all with their cause in one transaction, or nothing."""
        events = [event for case in drafts for event in case.events]
        tally = {("all", "2024-03-11", "events"): len(events)} if events else {}
        async with self._ledger.commit(cause, Effects(events, tally)) as session:
            new = [case.after for case in drafts if case.before is None and case.after is not None]
            if new:
                await self._cases.insert_many(new, session=session)
            updates = [
                UpdateOne(
                    {"_id": case.id, "version": case.before["version"]},
                    _changes(case.before, case.after),
                )
                for case in drafts
                if case.before is not None and case.after is not None and case.events
            ]
            if updates:
                result = await self._cases.bulk_write(updates, ordered=False, session=session)
                if result.matched_count < len(updates):
                    raise Stale("a case has moved on")
            inbox = [id_ for case in drafts for id_ in case.inbox]
            if inbox:
                await self._inbox.add(inbox, self._ledger.now(), session)

    async def sweep(self, now: datetime, fence: Fence, limit: int) -> int:
        """Tell what is overdue."""
        found = [document async for document in self.due_queue.due(now, limit)]
        drafts = [cases.draft(document["_id"], document) for document in found]
        for case in drafts:
            cases.overdue(case, now)
        changed = [case for case in drafts if case.changed]
        if changed:
            await self.save(changed, CommitContext("clock", "sweeper", fence=fence))
        return len(found)

    async def act(self, id_: str, note: str, now: Callable[[], datetime]) -> int:
        """What somebody asks for over HTTP; return the version. Raises Unknown and Refused."""

        async def once() -> int:
            case = cases.draft(id_, (await self.load([id_])).get(id_))
            cases.progress(case, note, now())
            await self.save([case], CommitContext("request", "somebody"))
            return case.version

        return await retry_on_conflict(once)

    async def take_in(self, messages: Sequence[Message]) -> int:
        """Apply those of our own events that this database does not hold."""
        ids = dict.fromkeys(str(message.event.subject) for message in messages)
        known = await self.load(ids)
        drafts = {id_: cases.draft(id_, known.get(id_)) for id_ in ids}
        for message in messages:
            id_ = str(message.event.subject)
            if cases.take_in(drafts[id_], message):
                event: Event = published(message, id_, id_)
                drafts[id_].events.append(event)
        changed = [case for case in drafts.values() if case.changed]
        if changed:
            await self.save(changed, RECOVERY)
        return sum(len(case.events) for case in changed)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Mapping[str, Any]:
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    gone = {name: "" for name in before if name not in after}
    return {"$set": changed, **({"$unset": gone} if gone else {})}

"""A store of follow-ups in memory; it passes the same tests as the real one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from services.followups.domain.absences import Absence
from services.followups.domain.escalation import days_late
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.domain.scores import By, Counted, tally
from services.followups.handlers import AbsenceChange, Ahead, Change, KnownAbsences
from shared.messaging.core.errors import AlreadyExists, PositionMoved, Stale
from shared.messaging.core.model import CommitContext, Deferred, Entry, Event
from shared.runtime.calendar import start_of_day
from shared.runtime.list_queries import ListQuery, Value, Within
from shared.text import search_key
from tests.stores import listed
from tests.stores.fakes_files import MemoryFiles
from tests.stores.fakes_replies import MemoryReplies

_NEVER = datetime.max.replace(tzinfo=UTC)


class MemoryLinks:
    """The links between the follow-ups of several deputies."""

    def __init__(self) -> None:
        self.number = 0
        self.stores: list[MemoryFollowups] = []

    def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        found: dict[str, Followup] = {}
        to_read = set(resolution_ids)
        while to_read:
            every = (f for store in self.stores for f in store.own)
            reached = [f for f in every if f.resolution_id in to_read]
            new = [f for f in reached if f.followup_id not in found]
            found |= {f.followup_id: f for f in new}
            before = [f.work.predecessor for f in new]
            to_read = {predecessor.resolution_id for predecessor in before if predecessor}
        return Ahead(self.number, list(found.values()))


class MemoryAbsences:
    """Implements `handlers.AbsenceRepository`; the events are among those of the follow-ups."""

    def __init__(self, followups: MemoryFollowups) -> None:
        self._followups = followups
        self._all: dict[str, Absence] = {}
        self._turn = 0

    async def get(self, absence_id: str) -> Absence | None:
        return self._all.get(absence_id)

    async def known(self, since: date) -> KnownAbsences:
        lasting = [a for a in self._all.values() if a.ended_at is None and a.last_on >= since]
        return KnownAbsences(self._turn, lasting)

    async def of_substitute(self, user: str, on: date) -> Sequence[Absence]:
        own = (absence for absence in self._all.values() if absence.substitute == user)
        return [absence for absence in own if absence.first_on <= on <= absence.last_on]

    async def page(self, query: ListQuery) -> Sequence[Absence]:
        return listed.page(
            self._all.values(), query, lambda a: a.absence_id, lambda a: {"first_on": a.first_on}
        )

    async def save(
        self, changes: Sequence[AbsenceChange], cause: CommitContext, turn: int | None = None
    ) -> None:
        followups = self._followups
        followups.replies.require_free(cause.reply)
        if turn is not None and turn != self._turn:
            raise Stale("another absence was declared meanwhile")
        for change in changes:
            known = self._all.get(change.after.absence_id)
            if change.before is None and known is not None:
                raise AlreadyExists(known.absence_id)
            if change.before is not None and (known is None or known != change.before):
                raise Stale(change.before.absence_id)
        for change in changes:
            self._all[change.after.absence_id] = change.after
            at = change.after.ended_at or change.after.declared_at
            followups.entries += [Entry(e, cause.by, cause.roles, at) for e in change.events]
        self._turn += turn is not None
        followups.replies.keep(cause.reply)
        followups.causes.append(cause)


class MemoryFollowups:
    """Implements `api.ReadableFollowups`."""

    def __init__(self, deputy: str = "civil", links: MemoryLinks | None = None) -> None:
        self._deputy = deputy
        self._links = links or MemoryLinks()
        self._links.stores.append(self)
        self.entries: list[Entry] = []
        self.causes: list[CommitContext] = []
        self._all: dict[str, Followup] = {}  # including those that moved out
        self._alerts: dict[str, datetime | None] = {}
        self._inbox: set[str] = set()
        self.deferred: dict[str, Deferred] = {}
        self._counts: Counter[Counted] = Counter()
        self.files = MemoryFiles()
        self.absences = MemoryAbsences(self)
        self.replies = MemoryReplies()

    @property
    def events(self) -> list[Event]:
        """All events, in order."""
        return [entry.event for entry in self.entries]

    @property
    def own(self) -> Collection[Followup]:
        """The follow-ups that are here."""
        return self._followups.values()

    @property
    def _followups(self) -> Mapping[str, Followup]:
        return {id_: f for id_, f in self._all.items() if f.deputy == self._deputy}

    async def moved_out(self, resolution_ids: Collection[str]) -> Mapping[str, Followup]:
        gone = (f for f in self._all.values() if f.deputy != self._deputy)
        return {f.resolution_id: f for f in gone if f.resolution_id in resolution_ids}

    async def here_or_moved_out(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return {id_: self._all[id_] for id_ in ids if id_ in self._all}

    async def of_resolutions(self, ids: Collection[str]) -> Mapping[str, Followup]:
        found = self._followups.values()
        return {f.resolution_id: f for f in found if f.resolution_id in ids}

    async def get(self, followup_id: str) -> Followup | None:
        return self._followups.get(followup_id)

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return {id_: self._followups[id_] for id_ in ids if id_ in self._followups}

    async def due(self, now: datetime, limit: int) -> Sequence[Followup]:
        alerts = sorted((alert or _NEVER, id_) for id_, alert in self._alerts.items())
        own = self._followups
        return [own[id_] for alert, id_ in alerts if alert <= now and id_ in own][:limit]

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        return self._inbox & set(ids)

    async def waited_for(self, ids: Collection[str]) -> Collection[str]:
        return {deferred.about for deferred in self.deferred.values()} & set(ids)

    async def page(self, query: ListQuery) -> Sequence[Followup]:
        def fields(followup: Followup) -> Mapping[str, Any]:
            return _fields(followup, query.as_of, query.within)

        return listed.page(self._followups.values(), query, lambda f: f.followup_id, fields)

    async def ids(
        self, fields: Mapping[str, Collection[Value]], within: Within | None = None
    ) -> AsyncIterator[Sequence[str]]:
        for followup_id, followup in self._followups.items():
            found = _fields(followup, within=within)
            if listed.is_chosen(found, fields) and listed.is_visible(found, within):
                yield [followup_id]

    async def history(self, followup_id: str) -> Sequence[Entry]:
        mine = [entry for entry in self.entries if entry.event.aggregate_id == followup_id]
        return sorted(mine, key=lambda entry: entry.event.version)

    async def content(self, piece: EvidenceAdded) -> AsyncIterator[bytes] | None:
        return self.files.read(piece.evidence_id, piece.sha256 or "")

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (subject, day, name), count in self._counts.items():
            kind, _, which = subject.partition("|")
            if kind == by and (as_of is None or day <= as_of.isoformat()):
                counts[which][name] += count
        return counts

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        return self._links.ahead(resolution_ids)

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        if ahead is not None and ahead.links != self._links.number:
            raise Stale("another link was made meanwhile")
        self.replies.require_free(cause.reply)
        for change in changes:
            self._require_next(change)
        inbox = [id_ for change in changes for id_ in change.inbox]
        if self._inbox & set(inbox) or len(set(inbox)) < len(inbox):
            raise AlreadyExists("an event that was applied")
        if self.deferred.keys() & {deferred.id for deferred in cause.defers}:
            raise AlreadyExists("a message that waits")
        if not self.deferred.keys() >= set(cause.ends):
            raise PositionMoved("taken by another")
        for kept in (kept for change in changes for kept in change.files):
            self.files.require(kept)
        for kept in (kept for change in changes for kept in change.files):
            self.files.keep(kept)
        for change in changes:
            followup = change.after
            self._all[followup.followup_id] = followup
            self._alerts[followup.followup_id] = change.next_alert
            self._counts.update(tally(change.steps(), self._deputy))
            self.entries += [
                Entry(event, cause.by, cause.roles, followup.changed_at) for event in change.events
            ]
        self._inbox.update(inbox)
        self.deferred.update({deferred.id: deferred for deferred in cause.defers})
        for id_ in cause.ends:
            del self.deferred[id_]
        self.replies.keep(cause.reply)
        self.causes.append(cause)
        self._links.number += ahead is not None

    async def number(self) -> int:
        return len(self._followups)

    async def hand_over(
        self,
        leaving: Sequence[Change],
        taker: MemoryFollowups,
        arriving: Sequence[Change],
        cause: CommitContext,
        ahead: Ahead | None = None,
    ) -> None:
        for change in leaving:
            self._require_next(change)
        for change in arriving:
            taker._require_next(change)
            if any(
                f.resolution_id == change.after.resolution_id for f in taker._followups.values()
            ):
                raise AlreadyExists(change.after.resolution_id)
        await self.save(leaving, cause, ahead)
        taker.entries += [entry for change in arriving for entry in change.history]
        await taker.save(arriving, replace(cause, reply=None))
        self.replies.hand_over([change.after.followup_id for change in leaving], taker.replies)

    def _require_next(self, change: Change) -> None:
        known = self._all.get(change.after.followup_id)
        if change.before is None and known is not None:
            raise AlreadyExists(known.followup_id)
        if change.before is not None and (known is None or known.version != change.before.version):
            raise Stale(change.before.followup_id)


def _fields(
    followup: Followup, as_of: date | None = None, within: Within | None = None
) -> Mapping[str, Any]:
    resolution, before = followup.resolution, followup.work.predecessor
    body, today = resolution.executing_body, None if within is None else within.today
    delegation = followup.work.delegation
    delegated = delegation is not None and today is not None and today <= delegation.until
    return {
        "followup_id": followup.followup_id,
        "resolution_id": resolution.resolution_id,
        "session_id": resolution.session_id,
        "province": resolution.province,
        "axis": resolution.axis,
        "executing_body": None if body is None else search_key(body),
        "executing": body,
        "supporting": resolution.supporting,
        "officer": followup.work.officer,
        "delegate": delegation.to if delegation is not None and delegated else None,
        "priority": resolution.priority,
        "level": followup.level,
        "overdue": followup.is_overdue,
        "predecessor": None if before is None else before.resolution_id,
        "state": followup.state.value,
        "due_on": resolution.due_on,
        "approved_at": resolution.approved_at,
        "changed_at": followup.changed_at,
        "number": resolution.number,
        "days_overdue": None
        if as_of is None
        else days_late(followup, resolution.due_on, start_of_day(as_of)),
    }

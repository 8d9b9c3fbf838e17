"""The store of the service `scheduler` in memory; it passes the same suite as the real one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.scheduler.domain.records import Resolution, Season, Session
from services.scheduler.handlers import Change, Record
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import CommitContext, Event
from shared.runtime.list_queries import ListQuery
from shared.text import search_key
from tests.stores import listed
from tests.stores.fakes_replies import MemoryReplies


class MemoryRegister:
    """Implements `api.context.ReadableRepository`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.causes: list[CommitContext] = []
        self.replies = MemoryReplies()
        self._seasons: dict[str, Season] = {}
        self._sessions: dict[str, Session] = {}
        self._resolutions: dict[str, Resolution] = {}

    async def season(self, season: str) -> Season | None:
        return self._seasons.get(season)

    async def session(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    async def sessions(self, ids: Collection[str]) -> Mapping[str, Session]:
        return {id_: self._sessions[id_] for id_ in ids if id_ in self._sessions}

    async def turns_taken(self, turns: Collection[str]) -> Collection[str]:
        taken = {session.turn for session in self._sessions.values()}
        return {turn for turn in turns if turn in taken}

    async def resolution(self, resolution_id: str) -> Resolution | None:
        return self._resolutions.get(resolution_id)

    async def resolutions(self, ids: Collection[str]) -> Mapping[str, Resolution]:
        return {id_: self._resolutions[id_] for id_ in ids if id_ in self._resolutions}

    async def sessions_of_season(self, season: str) -> Sequence[Session]:
        found = [s for s in self._sessions.values() if s.gathering.season == season]
        return sorted(found, key=lambda s: (s.gathering.starts_at, s.session_id))

    async def page_of_seasons(self, query: ListQuery) -> Sequence[Season]:
        return listed.page(self._seasons.values(), query, lambda s: s.season, _season_fields)

    async def page_of_sessions(self, query: ListQuery) -> Sequence[Session]:
        return listed.page(self._sessions.values(), query, lambda s: s.session_id, _session_fields)

    async def page_of_resolutions(self, query: ListQuery) -> Sequence[Resolution]:
        all_ = self._resolutions.values()
        return listed.page(all_, query, lambda r: r.resolution_id, _resolution_fields)

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        self.replies.require_free(cause.reply)
        for change in changes:
            known = self._known(change.after)
            if change.before is None and known is not None:
                raise AlreadyExists(str(known))
            if change.before is not None and not _stands(known, change.before):
                raise Stale(str(change.before))
        self._require_free_turns(changes)
        for change in changes:
            match change.after:
                case Season() as season:
                    self._seasons[season.season] = season
                case Session() as session:
                    self._sessions[session.session_id] = session
                case Resolution() as resolution:
                    self._resolutions[resolution.resolution_id] = resolution
            self.events += change.events
        self.replies.keep(cause.reply)
        self.causes.append(cause)

    def _known(self, record: Record) -> Record | None:
        match record:
            case Season():
                return self._seasons.get(record.season)
            case Session():
                return self._sessions.get(record.session_id)
            case Resolution():
                return self._resolutions.get(record.resolution_id)

    def _require_free_turns(self, changes: Sequence[Change]) -> None:
        after = {c.after.session_id: c.after for c in changes if isinstance(c.after, Session)}
        turns = [s.turn for s in {**self._sessions, **after}.values() if s.turn is not None]
        if len(set(turns)) < len(turns):
            raise AlreadyExists("a turn is taken")


def _stands(known: Record | None, before: Record) -> bool:
    match known, before:
        case Session(), Session():
            counted = known.resolutions == before.resolutions
            return counted and known.version == before.version
        case Resolution(), Resolution():
            return known.version == before.version
        case _:
            return False


def _season_fields(season: Season) -> Mapping[str, Any]:
    return {"season": season.season}


def _session_fields(session: Session) -> Mapping[str, Any]:
    return {
        "session_id": session.session_id,
        "starts_at": session.gathering.starts_at,
        "changed_at": session.changed_at,
        "season": session.gathering.season,
        "kind": session.gathering.kind,
        "state": session.state.value,
        "provinces": session.gathering.provinces,
    }


def _resolution_fields(resolution: Resolution) -> Mapping[str, Any]:
    body = resolution.terms.executing_body
    return {
        "resolution_id": resolution.resolution_id,
        "executing_body": None if body is None else search_key(body),
        "executing": body,
        "supporting": resolution.terms.supporting,
        "priority": resolution.terms.priority,
        "number": resolution.terms.number,
        "due_on": resolution.terms.due_on,
        "approved_at": resolution.approved_at,
        "changed_at": resolution.changed_at,
        "session_id": resolution.session_id,
        "deputy": resolution.terms.deputy,
        "state": resolution.state.value,
        "province": resolution.terms.province,
        "axis": resolution.terms.axis,
    }

"""The register of the service `scheduler` in memory; it passes the same suite as the real one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from services.scheduler.domain.records import Resolution, Season, Session
from services.scheduler.handlers import Change, Query, Record
from shared.messaging.failures import AlreadyThere, Stale
from shared.messaging.records import Cause, Event

R = TypeVar("R")


class MemoryRegister:
    """Implements `api.desk.ReadableRegister`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.causes: list[Cause] = []
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

    async def page_of_seasons(self, query: Query) -> Sequence[Season]:
        return _page(self._seasons, query, lambda _: {})

    async def page_of_sessions(self, query: Query) -> Sequence[Session]:
        return _page(self._sessions, query, _session_fields)

    async def page_of_resolutions(self, query: Query) -> Sequence[Resolution]:
        return _page(self._resolutions, query, _resolution_fields)

    async def save(self, changes: Sequence[Change], cause: Cause) -> None:
        for change in changes:
            known = self._known(change.after)
            if change.before is None and known is not None:
                raise AlreadyThere(str(known))
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
            raise AlreadyThere("a turn is taken")


def _stands(known: Record | None, before: Record) -> bool:
    match known, before:
        case Session(), Session():
            counted = known.resolutions == before.resolutions
            return counted and known.version == before.version
        case Resolution(), Resolution():
            return known.version == before.version
        case _:
            return False


def _page(
    records: Mapping[str, R], query: Query, fields: Callable[[R], Mapping[str, object]]
) -> list[R]:
    def is_wanted(id_: str) -> bool:
        behind = query.after is None or id_ > query.after
        found = fields(records[id_])
        return behind and all(_matches(found[n], v) for n, v in query.fields.items())

    return [records[id_] for id_ in sorted(records) if is_wanted(id_)][: query.limit]


def _matches(value: object, wanted: object) -> bool:
    return wanted in value if isinstance(value, tuple) else value == wanted


def _session_fields(session: Session) -> Mapping[str, object]:
    return {
        "season": session.gathering.season,
        "kind": session.gathering.kind,
        "state": session.state.value,
        "provinces": session.gathering.provinces,
    }


def _resolution_fields(resolution: Resolution) -> Mapping[str, object]:
    return {
        "session_id": resolution.session_id,
        "deputy": resolution.terms.deputy,
        "state": resolution.state.value,
        "province": resolution.terms.province,
        "axis": resolution.terms.axis,
    }

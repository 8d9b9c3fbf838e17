"""The replay owns the domain's time: it steps to what comes next, lets it happen, and waits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from tools.demo.clients import Services, Unwanted
from tools.demo.lives import DESK, OFFICE, Deed, governor_of
from tools.demo.quiet import Quiet
from tools.demo.script import LASTS, OPENS, SEASON, Resolution, Script, Session, Submission

CATALOGUE: Final = 1
_QUIET_SECONDS: Final = 60.0
_PAGE: Final = 500

Act: TypeAlias = Callable[[], Awaitable[object]]


class Clock(Protocol):
    """The simulated clock, from its owner's side."""

    async def set(self, instant: datetime) -> None:
        """Set the time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the replay has come."""

    instant: datetime
    steps: int
    acts: int  # requests that changed something
    resolutions: int  # approved so far


class _Turn(IntEnum):
    """In which order things are done that are done at one instant."""

    ISSUE = 1
    PLAN = 2
    CALL_OFF = 3
    OPEN = 4
    APPROVE = 5
    CLOSE = 6
    SUBMIT = 7
    DISTRIBUTE = 8
    FOLLOW_UP = 9


class Replay:
    """Plays one script on running services."""

    def __init__(
        self,
        script: Script,
        clock: Clock,
        quiet: Quiet,
        services: Services,
        tell: Callable[[Progress], None],
    ) -> None:
        """`tell` is called after each step."""
        self._script = script
        self._clock = clock
        self._quiet = quiet
        self._services = services
        self._tell = tell
        self._agenda: dict[datetime, dict[_Turn, list[Act]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._due = {session.report_due_at for session in script.sessions}
        self._followups: dict[str, str] = {}  # id by resolution id
        self._sub_axes: Sequence[tuple[str, str]] = ()  # (axis, sub-axis)
        self._steps = self._acts = self._resolutions = 0
        self._write_agenda()

    async def run(self) -> Progress:
        """Play it to its end. Raises Unwanted and NotQuiet."""
        coming = sorted({*self._agenda, *self._due, self._script.ends_at})
        alert: datetime | None = None
        while coming:
            now = coming[0] if alert is None else min(coming[0], alert)
            alert = await self._step(now)
            coming = [instant for instant in coming if instant > now]
        return self._progress(self._script.ends_at)

    async def _step(self, now: datetime) -> datetime | None:
        """Let an instant happen, first what time does and then what people do; return the next
        alert."""
        await self._clock.set(now)
        agenda = self._agenda.get(now, {})
        alert = None
        if now in self._due or not agenda:
            alert = await self._quiet.wait(now, _QUIET_SECONDS)
        for turn in sorted(agenda):
            await asyncio.gather(*(act() for act in agenda[turn]))
            self._acts += len(agenda[turn])
        if agenda:
            alert = await self._quiet.wait(now, _QUIET_SECONDS)
        self._steps += 1
        self._tell(self._progress(now))
        return alert

    def _progress(self, instant: datetime) -> Progress:
        return Progress(instant, self._steps, self._acts, self._resolutions)

    # -- who does what and when ---------------------------------------------------------------

    def _write_agenda(self) -> None:
        script = self._script
        self._enter(script.begins_at, _Turn.ISSUE, self._issue)
        self._enter(script.begins_at, _Turn.PLAN, self._plan)
        for session_id in script.called_off:
            self._enter(script.called_off_at, _Turn.CALL_OFF, partial(self._call_off, session_id))
        for session in script.sessions:
            self._enter(session.opens_at, _Turn.OPEN, partial(self._open, session))
            self._enter(session.closes_at, _Turn.APPROVE, partial(self._approve, session))
            self._enter(session.closes_at, _Turn.CLOSE, partial(self._close, session))
            for sent in session.submissions:
                self._enter(sent.at, _Turn.SUBMIT, partial(self._submit, session, sent))
                distribute = partial(self._distribute, session)
                self._enter(sent.distributed_at, _Turn.DISTRIBUTE, distribute)
            for resolution in session.resolutions:
                for deed in resolution.deeds:
                    act = partial(self._follow_up, resolution, deed)
                    self._enter(deed.at, _Turn.FOLLOW_UP, act)

    def _enter(self, instant: datetime, turn: _Turn, act: Act) -> None:
        self._agenda[instant][turn].append(act)

    async def _issue(self) -> None:
        catalogue = await self._services.get("reports", f"/catalogues/{CATALOGUE}", DESK)
        self._sub_axes = [
            (axis["axis"], sub_axis["sub_axis"])
            for axis in catalogue["axes"]
            for sub_axis in axis["sub_axes"]
        ]
        body = {"circular_id": f"{SEASON}-1", "catalogue_version": CATALOGUE}
        await self._services.post("reports", "/circulars", DESK, body)

    async def _plan(self) -> None:
        script = self._script
        body = {
            "season": SEASON,
            "starts_on": script.starts_on.isoformat(),
            "starts_at_time": f"{OPENS:%H:%M}",
            "minutes": LASTS.seconds // 60,
            "provinces": list(script.turns),
            "mode": "in-person",
            "venue": "وزارت کشور، سالن جلسات",
        }
        await self._services.post("scheduler", "/seasons", DESK, body)

    async def _call_off(self, session_id: str) -> None:
        body = {"reason": "فصل کوتاه شد."}
        await self._services.post("scheduler", f"/sessions/{session_id}/cancel", DESK, body)

    async def _open(self, session: Session) -> None:
        await self._services.post("scheduler", f"/sessions/{session.session_id}/open", DESK, {})

    async def _approve(self, session: Session) -> None:
        body = {"resolutions": [_resolution(r) for r in session.resolutions]}
        path = f"/sessions/{session.session_id}/resolutions"
        await self._services.post("scheduler", path, OFFICE, body)
        self._resolutions += len(session.resolutions)

    async def _close(self, session: Session) -> None:
        body = {"summary": "جمع‌بندی وزیر کشور ارائه و مصوبات ابلاغ شد."}
        await self._services.post("scheduler", f"/sessions/{session.session_id}/close", DESK, body)

    async def _submit(self, session: Session, sent: Submission) -> None:
        answers: dict[str, dict[str, str]] = defaultdict(dict)
        for axis, sub_axis in self._sub_axes[sent.unanswered :]:
            answers[axis][sub_axis] = "آخرین وضعیت استان به شرح پیوست است."
        body = {
            "session_id": session.session_id,
            "province": session.province,
            "catalogue_version": CATALOGUE,
            "answers": answers,
            "initiatives": [
                {"title": f"ابتکار مردمی شماره {n + 1}", "text": "واگذاری کار به مردم محله."}
                for n in range(sent.initiatives)
            ],
            "special_topics": [],
        }
        await self._services.post("reports", "/reports", governor_of(session.province), body)

    async def _distribute(self, session: Session) -> None:
        found = await self._services.get("reports", "/reports", DESK, session_id=session.session_id)
        report_id = found["items"][0]["report_id"]
        await self._services.post("reports", f"/reports/{report_id}/distribute", DESK, {})

    async def _follow_up(self, resolution: Resolution, deed: Deed) -> None:
        if resolution.resolution_id not in self._followups:
            await self._find_followups(resolution)
        followup_id = self._followups[resolution.resolution_id]
        await self._services.post(
            "followups", f"/followups/{followup_id}/{deed.kind}", deed.by, deed.body
        )

    async def _find_followups(self, resolution: Resolution) -> None:
        """Learn the ids of all follow-ups of a resolution's session."""
        page: Mapping[str, Any] = await self._services.get(
            "followups", "/followups", DESK, session_id=resolution.session_id, limit=_PAGE
        )
        self._followups |= {item["resolution_id"]: item["followup_id"] for item in page["items"]}
        if resolution.resolution_id not in self._followups:
            raise Unwanted(f"there is no follow-up for {resolution.resolution_id}")


def _resolution(resolution: Resolution) -> Mapping[str, Any]:
    return {
        "resolution_id": resolution.resolution_id,
        "deputy": resolution.deputy,
        "title": resolution.title,
        "due_on": resolution.due_on.isoformat(),
        "axis": resolution.axis,
        "province": resolution.province,
        "text": resolution.text,
        "supporting": list(resolution.supporting),
        "executing_body": resolution.executing_body,
        "priority": "urgent" if resolution.urgent else "normal",
        "number": resolution.number,
    }

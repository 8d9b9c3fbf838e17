"""The replay plays the script: it sets the domain's time, sends the requests, and waits.

From one instant of the script to the next, it sets the simulated clock, sends what people do at
that instant, and waits until the services have nothing left to do. Between the instants of the
script it stops wherever time alone brings something about: when a report is due, and when the
level of a follow-up is reached.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from tools.demo.actions import Action
from tools.demo.actors import COORDINATION_DESK, MINISTER_OFFICE, governor_of
from tools.demo.clients import ServiceClients, UnexpectedResponse
from tools.demo.quiescence import QuiescenceProbe
from tools.demo.script import (
    SEASON,
    SESSION_LENGTH,
    SESSION_OPENS,
    Resolution,
    Script,
    Session,
    Submission,
)

_CATALOGUE: Final = 1
_QUIESCENCE_SECONDS: Final = 60.0

Send: TypeAlias = Callable[[], Awaitable[object]]
"""Sends the request for one thing that somebody does."""


class Clock(Protocol):
    """The simulated domain clock, for the one who sets it."""

    async def set(self, instant: datetime) -> None:
        """Set the time (UTC)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the replay has come."""

    instant: datetime  # domain time (UTC)
    steps: int  # of the clock
    requests: int  # that changed something
    resolutions: int  # approved so far


class _Phase(IntEnum):
    """In which order things are done that the script has at one instant."""

    ISSUE = 1
    PLAN = 2
    CANCEL = 3
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
        probe: QuiescenceProbe,
        services: ServiceClients,
        show: Callable[[Progress], None],
    ) -> None:
        """`show` is called after each step."""
        self._script = script
        self._clock = clock
        self._probe = probe
        self._services = services
        self._show = show
        self._agenda: dict[datetime, dict[_Phase, list[Send]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._reports_due = {session.report_due_at for session in script.sessions}
        self._followup_ids: dict[str, str] = {}  # by resolution id
        self._sub_axes: Sequence[tuple[str, str]] = ()  # axis and sub-axis
        self._steps = self._requests = self._resolutions = 0
        self._write_agenda()

    async def run(self) -> Progress:
        """Play the script to its end.

        Raises UnexpectedResponse, QuiescenceTimeout, KafkaError and the errors of MongoDB's driver.
        """
        instants = sorted({*self._agenda, *self._reports_due, self._script.ends_at})
        alert: datetime | None = None
        while instants:
            now = instants[0] if alert is None else min(instants[0], alert)
            alert = await self._step(now)
            instants = [instant for instant in instants if instant > now]
        return self._progress(self._script.ends_at)

    async def _step(self, now: datetime) -> datetime | None:
        """Play one instant: first what time brings about, then what people do.

        Return the next instant at which the level of a follow-up is reached, if there is one.
        """
        await self._clock.set(now)
        phases = self._agenda.get(now, {})
        alert = None
        if now in self._reports_due or not phases:
            alert = await self._probe.wait(now, _QUIESCENCE_SECONDS)
        for phase in sorted(phases):
            await asyncio.gather(*(send() for send in phases[phase]))
            self._requests += len(phases[phase])
        if phases:
            alert = await self._probe.wait(now, _QUIESCENCE_SECONDS)
        self._steps += 1
        self._show(self._progress(now))
        return alert

    def _progress(self, instant: datetime) -> Progress:
        return Progress(instant, self._steps, self._requests, self._resolutions)

    # -- who does what when -------------------------------------------------------------------

    def _write_agenda(self) -> None:
        script = self._script
        self._enter(script.begins_at, _Phase.ISSUE, self._issue_circular)
        self._enter(script.begins_at, _Phase.PLAN, self._plan_season)
        for session_id in script.cancelled:
            self._enter(script.cancelled_at, _Phase.CANCEL, partial(self._cancel, session_id))
        for session in script.sessions:
            self._enter(session.opens_at, _Phase.OPEN, partial(self._open, session))
            self._enter(session.closes_at, _Phase.APPROVE, partial(self._approve, session))
            self._enter(session.closes_at, _Phase.CLOSE, partial(self._close, session))
            for submission in session.submissions:
                submit = partial(self._submit, session, submission)
                self._enter(submission.at, _Phase.SUBMIT, submit)
                distribute = partial(self._distribute, session)
                self._enter(submission.distributed_at, _Phase.DISTRIBUTE, distribute)
            for resolution in session.resolutions:
                for action in resolution.actions:
                    follow_up = partial(self._follow_up, resolution, action)
                    self._enter(action.at, _Phase.FOLLOW_UP, follow_up)

    def _enter(self, instant: datetime, phase: _Phase, send: Send) -> None:
        self._agenda[instant][phase].append(send)

    # -- the requests -------------------------------------------------------------------------

    async def _issue_circular(self) -> None:
        path = f"/catalogues/{_CATALOGUE}"
        catalogue = await self._services.get("reports", path, COORDINATION_DESK)
        self._sub_axes = [
            (axis["axis"], sub_axis["sub_axis"])
            for axis in catalogue["axes"]
            for sub_axis in axis["sub_axes"]
        ]
        body = {"circular_id": f"{SEASON}-1", "catalogue_version": _CATALOGUE}
        await self._services.post("reports", "/circulars", COORDINATION_DESK, body)

    async def _plan_season(self) -> None:
        body = {
            "season": SEASON,
            "starts_on": self._script.starts_on.isoformat(),
            "starts_at_time": f"{SESSION_OPENS:%H:%M}",
            "minutes": SESSION_LENGTH.seconds // 60,
            "provinces": list(self._script.provinces),
            "mode": "in-person",
            "venue": "وزارت کشور، سالن جلسات",
        }
        await self._services.post("scheduler", "/seasons", COORDINATION_DESK, body)

    async def _cancel(self, session_id: str) -> None:
        path = f"/sessions/{session_id}/cancel"
        body = {"reason": "فصل کوتاه شد."}
        await self._services.post("scheduler", path, COORDINATION_DESK, body)

    async def _open(self, session: Session) -> None:
        path = f"/sessions/{session.session_id}/open"
        await self._services.post("scheduler", path, COORDINATION_DESK, {})

    async def _approve(self, session: Session) -> None:
        path = f"/sessions/{session.session_id}/resolutions"
        body = {"resolutions": [_resolution_body(r) for r in session.resolutions]}
        await self._services.post("scheduler", path, MINISTER_OFFICE, body)
        self._resolutions += len(session.resolutions)

    async def _close(self, session: Session) -> None:
        path = f"/sessions/{session.session_id}/close"
        body = {"summary": "جمع‌بندی وزیر کشور ارائه و مصوبات ابلاغ شد."}
        await self._services.post("scheduler", path, COORDINATION_DESK, body)

    async def _submit(self, session: Session, submission: Submission) -> None:
        answers: dict[str, dict[str, str]] = defaultdict(dict)
        for axis, sub_axis in self._sub_axes[submission.unanswered :]:
            answers[axis][sub_axis] = "آخرین وضعیت استان به شرح پیوست است."
        body = {
            "session_id": session.session_id,
            "province": session.province,
            "catalogue_version": _CATALOGUE,
            "answers": answers,
            "initiatives": [
                {"title": f"ابتکار مردمی شماره {n + 1}", "text": "واگذاری کار به مردم محله."}
                for n in range(submission.initiatives)
            ],
            "special_topics": [],
        }
        await self._services.post("reports", "/reports", governor_of(session.province), body)

    async def _distribute(self, session: Session) -> None:
        found = await self._services.get(
            "reports", "/reports", COORDINATION_DESK, session_id=session.session_id
        )
        path = f"/reports/{found['items'][0]['report_id']}/distribute"
        await self._services.post("reports", path, COORDINATION_DESK, {})

    async def _follow_up(self, resolution: Resolution, action: Action) -> None:
        if resolution.resolution_id not in self._followup_ids:
            await self._find_followups(resolution)
        path = f"/followups/{self._followup_ids[resolution.resolution_id]}/{action.kind}"
        await self._services.post("followups", path, action.by, action.body)

    async def _find_followups(self, resolution: Resolution) -> None:
        """Find the ids of all follow-ups of the resolution's session."""
        items = await self._services.list_all(
            "followups", "/followups", COORDINATION_DESK, session_id=resolution.session_id
        )
        self._followup_ids |= {item["resolution_id"]: item["followup_id"] for item in items}
        if resolution.resolution_id not in self._followup_ids:
            raise UnexpectedResponse(f"there is no follow-up for {resolution.resolution_id}")


def _resolution_body(resolution: Resolution) -> Mapping[str, Any]:
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

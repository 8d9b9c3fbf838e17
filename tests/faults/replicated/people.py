"""What people do over HTTP while parts fail, and what they were answered."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from deploy.local.layout import PROJECT
from tests.component.harness import Service
from tests.faults.replicated.pulse import Pulse
from tests.faults.replicated.stories import GIVER, TAKER, Errand, Stories
from tests.promise.history import Act, Effect, Outcome

ANSWER_SECONDS: Final = 10.0
MOST_WAITING: Final = 50
MOVED_AT_ONCE: Final = 10
TYPES: Final[Mapping[str, str]] = {
    "acknowledge": "FollowupAcknowledged",
    "progress": "FollowupProgressed",
    "complete": "FollowupCompleted",
    "verify": "FollowupVerified",
}

_PAUSE_SECONDS: Final = 0.3
_NOT_NOW: Final = "not-now"  # the step was taken already
_CONFLICT: Final = 409


class Refused(Exception):
    """The service refused what it had no reason to refuse."""


class People:
    """Some who work at a time, each with one follow-up after the other."""

    def __init__(self, services: Sequence[Service], seed: int) -> None:
        self._services = services
        self._chance = random.Random(f"{seed} people")
        self._errands: asyncio.Queue[Errand | None] = asyncio.Queue()
        self.acts: list[Act] = []

    def ask(self, errand: Errand) -> None:
        """Let somebody do this as soon as he can; where all have much to do, nobody does."""
        if self._errands.qsize() < MOST_WAITING:
            self._errands.put_nowait(errand)

    def close(self, people: int) -> None:
        """No errand comes any more."""
        for _ in range(people):
            self._errands.put_nowait(None)

    async def work(self) -> None:
        """One errand after the other, until there are no more. Raises Refused."""
        while (errand := await self._errands.get()) is not None:
            await self._do(errand)

    async def _do(self, errand: Errand) -> None:
        followup_id = await self._find(errand)
        for number, step in enumerate(errand.steps):
            await self._take(errand, followup_id, number, step)

    async def _find(self, errand: Errand) -> str:
        """Wait until the follow-up is there."""
        while True:
            asked = {"resolution_id": errand.resolution_id}
            try:
                answer = await self._http().get(
                    "/v1/followups", params=asked, timeout=ANSWER_SECONDS
                )
                if answer.status_code == httpx.codes.OK and answer.json()["items"]:
                    found: str = answer.json()["items"][0]["followup_id"]
                    return found
            except httpx.HTTPError:
                pass  # whoever asks again finds out
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _take(self, errand: Errand, followup_id: str, number: int, step: str) -> None:
        """Take a step, again where nobody said what became of it; each try has its own note."""
        unsure = False
        tries = 0
        while True:
            tries += 1
            note = f"{number} {step} {tries}"
            act, problem = await self._once(errand, followup_id, step, note)
            self.acts.append(act)
            if act.outcome is Outcome.ACKNOWLEDGED:
                return
            if act.outcome is Outcome.REFUSED and problem == _NOT_NOW and unsure:
                return  # one of those before was taken
            if act.outcome is Outcome.REFUSED and problem in {None, _NOT_NOW}:
                raise Refused(f"{errand.resolution_id}: {step}: {act}")
            unsure |= act.outcome is Outcome.UNKNOWN
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _once(
        self, errand: Errand, followup_id: str, step: str, note: str
    ) -> tuple[Act, str | None]:
        """Ask once; what is known of it, and the slug of a conflict."""
        effect = Effect(TYPES[step], errand.resolution_id, note)
        body: dict[str, Any] = {"note": note, **({"progress": 40} if step == "progress" else {})}
        who = {"X-Peygir-User": f"d.{errand.deputy}", "X-Peygir-Roles": f"deputy:{errand.deputy}"}
        if step == "verify":
            who = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
        path = f"/v1/followups/{followup_id}/{step}"
        id_ = f"{errand.resolution_id}: {note}"
        outcome, version, problem = Outcome.UNKNOWN, None, None
        begun = time.monotonic()
        try:
            answer = await self._http().post(path, json=body, headers=who, timeout=ANSWER_SECONDS)
        except httpx.HTTPError:
            pass  # it may have happened
        else:
            if answer.is_success:
                outcome, version = Outcome.ACKNOWLEDGED, answer.json()["version"]
            elif answer.is_client_error:
                outcome = Outcome.REFUSED
                if answer.status_code == _CONFLICT:
                    problem = answer.json()["type"].rpartition(":")[2]
        act = Act(id_, outcome, begun, time.monotonic(), (effect,), version=version, kind=step)
        return act, problem

    def _http(self) -> httpx.AsyncClient:
        return self._chance.choice(self._services).http


class Mover:
    """Somebody who lets one deputy's follow-ups go over to another with `tools.deputy`."""

    def __init__(self, services: Sequence[Service], stories: Stories, pulse: Pulse) -> None:
        self._services = services
        self._stories = stories
        self._pulse = pulse
        self.acts: list[Act] = []

    async def run(self, pause_seconds: float, until: Callable[[], bool]) -> None:
        """Move some of those that are followed, again and again, until it is enough."""
        number = 0
        while not until():
            await asyncio.sleep(pause_seconds)
            wanted = sorted(self._stories.movable & self._pulse.told)[:MOVED_AT_ONCE]
            if wanted:
                self._stories.movable -= set(wanted)
                await self._move(wanted, number)
                number += 1

    async def _move(self, resolutions: Sequence[str], number: int) -> None:
        """Ask until the tool says that it is done; it is safe to repeat."""
        effects = tuple(Effect("FollowupMoved", id_) for id_ in resolutions)
        tries = 0
        while True:
            service = self._services[(number + tries) % len(self._services)]
            tries += 1
            begun = time.monotonic()
            code, said = await _tool(service, resolutions)
            outcome = Outcome.ACKNOWLEDGED if code == 0 else Outcome.UNKNOWN
            id_ = f"move {number} {tries}"
            self.acts.append(Act(id_, outcome, begun, time.monotonic(), effects, kind="move"))
            if code == 0:
                moved = json.loads(said)["moved"]
                assert tries > 1 or moved == len(resolutions), f"{moved} of {resolutions} moved"
                return
            assert code == 2, f"{GIVER} to {TAKER}, {resolutions}: {said}"
            await asyncio.sleep(_PAUSE_SECONDS)


async def _tool(service: Service, resolutions: Sequence[str]) -> tuple[int, str]:
    chosen = [part for id_ in resolutions for part in ("--resolution", id_)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.deputy", "move", GIVER, TAKER, "--why", "ادغام", "--json",
        *chosen,
        cwd=PROJECT,
        env={**os.environ, "PEYGIR_API": str(service.http.base_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()

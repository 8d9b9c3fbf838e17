"""`Idempotency-Key` if requests fail, die or run at the same time under one key."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from pymongo.errors import AutoReconnect

from services.followups.api import ApiContext
from services.followups.domain.bulk import Column
from services.followups.handlers import Ahead
from shared.messaging.core.model import CommitContext
from shared.runtime.http import Repeatable
from shared.runtime.http.idempotency import REPLAYED
from shared.runtime.idempotent_replies import Replying
from shared.runtime.problems import not_found
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_replies import MemoryReplies
from tests.unit.api import services_in_memory
from tests.unit.api.services_in_memory import open_followups, open_scheduler
from tests.unit.api.test_bulk import XLSX, sheet
from tests.unit.api.test_followups_steps import CIVIL
from tests.unit.api.test_idempotency import KEY, first_id
from tests.unit.followups.sheets import filled_in


class Done(BaseModel):
    """The answer of a route that resumes something."""

    resumed: bool = True


async def test_what_fails_by_itself_is_not_kept() -> None:
    class Failing(MemoryFollowups):
        fails = 1

        async def save(
            self, changes: Any, cause: CommitContext, ahead: Ahead | None = None
        ) -> None:
            if cause.kind == "request" and self.fails:
                self.fails -= 1
                raise AutoReconnect("an election")
            await super().save(changes, cause, ahead)

    async with open_followups() as client:
        service = services_in_memory.followups_service("civil")
        api, path = service.contexts["civil"], f"/followups/{await first_id(client)}/acknowledge"
        failing = Failing()
        failing.__dict__.update({**vars(api.store), "fails": 1})
        service.contexts["civil"] = ApiContext(failing, api.context, failing.files)
        assert (await client.post(path, {}, **CIVIL, **KEY)).status_code >= 500
        assert (await client.post(path, {}, **CIVIL, **KEY)).is_success


async def test_whoever_is_faster_under_the_same_key_answers_for_both() -> None:
    """The other takes effect after we read and before we commit."""

    class Slow(MemoryFollowups):
        async def save(
            self, changes: Any, cause: CommitContext, ahead: Ahead | None = None
        ) -> None:
            if cause.reply is not None and not self.replies._counting():
                await super().save(changes, cause, ahead)  # of another process
            await super().save(changes, cause, ahead)

    async with open_followups() as client:
        service = services_in_memory.followups_service("civil")
        api, path = service.contexts["civil"], f"/followups/{await first_id(client)}/acknowledge"
        slow = Slow()
        slow.__dict__.update(vars(api.store))
        service.contexts["civil"] = ApiContext(slow, api.context, slow.files)
        published = len(slow.events)
        answer = await client.post(path, {}, **CIVIL, **KEY)
        assert (answer.status_code, answer.headers[REPLAYED]) == (200, "true")
        assert len(slow.events) == published + 1


async def test_what_another_has_done_while_we_decide_is_answered() -> None:
    """The other request comes between our first read and our decision."""

    class Overtaken(MemoryFollowups):
        looks = 0

        async def get(self, followup_id: str) -> Any:
            self.looks += 1
            if self.looks == 2:
                assert (await client.post(path, {}, **CIVIL, **KEY)).is_success
            return await super().get(followup_id)

    async with open_followups() as client:
        path = f"/followups/{await first_id(client)}/acknowledge"
        service = services_in_memory.followups_service("civil")
        api = service.contexts["civil"]
        overtaken = Overtaken()
        overtaken.__dict__.update(vars(api.store))
        service.contexts["civil"] = ApiContext(overtaken, api.context, overtaken.files)
        published = len(overtaken.events)
        answer = await client.post(path, {}, **CIVIL, **KEY)
        assert (answer.status_code, answer.headers.get(REPLAYED)) == (200, "true")
        assert len(overtaken.events) == published + 1


async def test_so_it_is_where_a_refusal_would_not_be_kept() -> None:
    """Such as 404, if something can be resumed only once."""

    router, replies, others = APIRouter(), MemoryReplies(), [True]

    @router.post("/resume")
    async def resume(once: Repeatable) -> Done:
        async def act(reply: Replying[Done]) -> Done:
            if others.pop():  # another process asks for the same, and is served before us
                others.append(False)
                assert (await request()).is_success
                raise not_found("nothing is paused")
            made = reply(Done())
            assert made is not None
            await replies.add(made)
            return Done()

        return await once(replies, act, lambda done: done)

    async def request() -> httpx.Response:
        return await client.http.post("/v1/resume", headers=KEY)

    async with open_scheduler() as client:
        client.app.include_router(router, prefix="/v1")
        answer = await request()
        assert (answer.json(), answer.headers[REPLAYED]) == ({"resumed": True}, "true")


async def test_a_sheet_that_broke_off_goes_on_where_it_was() -> None:
    """Killed after one of two commits: the rest is applied, and the answer covers all rows."""

    class Dying(MemoryFollowups):
        dies = True

        async def save(
            self, changes: Any, cause: CommitContext, ahead: Ahead | None = None
        ) -> None:
            await super().save(changes, cause, ahead)
            if cause.reply is not None and self.dies:
                type(self).dies = False
                raise SystemExit("killed")

    async with open_followups() as client:
        for item in await client.items("/followups"):
            await client.post(f"/followups/{item['followup_id']}/acknowledge", {}, **CIVIL)
        service = services_in_memory.followups_service("civil")
        api = service.contexts["civil"]
        dying = Dying()
        dying.__dict__.update(vars(api.store))
        service.contexts["civil"] = ApiContext(dying, api.context, dying.files)
        edits: dict[Any, Any] = {(2, Column.PROGRESS): 70, (3, Column.PROGRESS): 30}
        content = filled_in(await sheet(client), edits)
        headers = {**CIVIL, **KEY, "Content-Type": XLSX}
        path = "/v1/followups/bulk?dry_run=false&mode=valid"
        published = len(dying.events)
        with pytest.raises(SystemExit):
            await client.http.post(path, content=content, headers=headers)
        assert len(dying.events) == published + 2, "it was committed before the process died"
        answer = await client.http.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["applied"]) == (200, 2)
        again = await client.http.post(path, content=content, headers=headers)
        assert (again.content, again.headers[REPLAYED]) == (answer.content, "true")
        assert len(dying.events) == published + 2

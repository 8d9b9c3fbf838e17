"""HTTP for operators of a service: paused topics, and the outcomes of replays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import structlog
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from pymongo.errors import PyMongoError

from shared.messaging.core.model import Outcome
from shared.messaging.inbound.flood import Pause, Pauses
from shared.messaging.ledger.replays import Replays, StoredOutcome
from shared.messaging.ledger.replies import MongoReplies
from shared.runtime.access import Action
from shared.runtime.clocks import MachineClock
from shared.runtime.http import Limit, Page, Repeatable, SortKeys
from shared.runtime.http.access import may
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.idempotent_replies import Reply, Replying
from shared.runtime.mongo import ClientSession, Database
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, not_found, unavailable
from shared.runtime.redaction import pseudonym
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_OPERATIONS)]
Operator: TypeAlias = Annotated[Principal, may(Action.RESUME_SUBSCRIPTION)]

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")
_SORT_KEYS = SortKeys(str, str)

TopicName: TypeAlias = Annotated[
    str | None,
    Query(max_length=249, description="Only this topic; without it all topics of the group."),
]


class SubscriptionItem(BaseModel):
    """A paused topic of a subscription, which an operator has to resume."""

    group: str
    topic: str | None = Field(description="null: all topics of the group")
    paused_since: datetime
    reason: str


class SubscriptionPage(Page[SubscriptionItem]):
    """A page of paused topics; `partial` names databases that did not answer."""

    partial: list[str] = Field(default_factory=list)


class Resumed(BaseModel):
    """A resumed subscription, or one topic of it."""

    group: str
    topic: str | None = Field(description="null: all topics are resumed")


class ReplayItem(BaseModel):
    """The outcome of a replayed dead letter."""

    replay_id: str
    group: str
    outcome: Outcome
    reason: str | None = Field(description="why it became a dead letter again")
    detail: str | None
    at: datetime


def routes(databases: Sequence[Database], clock: MachineClock) -> APIRouter:
    """The routes over the databases that this process reads events into."""
    router = APIRouter(tags=["operations"])
    _add_subscriptions(router, databases, clock)
    _add_replays(router, databases)
    return router


# long: three short routes and their answers
def _add_subscriptions(
    router: APIRouter, databases: Sequence[Database], clock: MachineClock
) -> None:
    @router.get("/subscriptions")
    async def list_subscriptions(
        _: Reader,
        after: Annotated[tuple[Any, ...] | None, Depends(_SORT_KEYS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> SubscriptionPage:
        """List what a flood of refusals paused, by group and topic."""
        answers, partial = await _ask(databases, lambda database: Pauses(database).list())
        if partial and not answers:
            raise unavailable(sentence("no database answers: {partial}", partial=partial))
        pauses = sorted((p for found in answers for p in found), key=_place)
        if after is not None:
            pauses = [pause for pause in pauses if _place(pause) > after]
        more = len(pauses) > limit
        return SubscriptionPage(
            items=[_subscription(pause) for pause in pauses[:limit]],
            next_cursor=_SORT_KEYS.write(*_place(pauses[limit - 1])) if more else None,
            partial=partial,
        )

    @router.post("/subscriptions/{group}/resume")
    async def resume(
        by: Operator, group: str, once: Repeatable, topic: TopicName = None
    ) -> Resumed:
        """An operator lets what is paused of a subscription go on."""
        resumed = Resumed(group=group, topic=topic)

        async def act(reply: Replying[Resumed]) -> Resumed:
            kept = reply(resumed)

            async def go_on(database: Database) -> bool:
                async def keep(session: ClientSession) -> None:
                    if kept is not None:
                        await MongoReplies(database, clock).add(kept, session)

                return await Pauses(database).resume(group, topic, keep)

            answers, partial = await _ask(databases, go_on)
            if not any(answers):
                raise _missing(_not_paused(group, topic), partial)
            _log.warning("subscription resumed", group=group, topic=topic, by=pseudonym(by.id))
            return resumed

        return await once(_Everywhere(databases, clock), act, lambda done: done)


def _add_replays(router: APIRouter, databases: Sequence[Database]) -> None:
    @router.get("/replays/{replay_id}")
    async def get_replay(_: Reader, replay_id: str) -> ReplayItem:
        """What became of a replayed dead letter; 404 for as long as nothing did."""
        answers, partial = await _ask(databases, lambda database: Replays(database).find(replay_id))
        for answered in answers:
            if answered is not None:
                return _replay(answered)
        raise _missing(sentence("no answer to a replay {replay_id}", replay_id=replay_id), partial)


class _Everywhere:
    """Implements `replies.Replies` over all databases, since any may hold the pause."""

    def __init__(self, databases: Sequence[Database], clock: MachineClock) -> None:
        self._all = [MongoReplies(database, clock) for database in databases]

    async def find(self, id_: str) -> Reply | None:
        found = await asyncio.gather(*(replies.find(id_) for replies in self._all))
        return next((reply for reply in found if reply is not None), None)

    async def about(self, what: str) -> Sequence[Reply]:
        found = await asyncio.gather(*(replies.about(what) for replies in self._all))
        return [reply for some in found for reply in some]

    async def add(self, reply: Reply) -> None:
        await self._all[0].add(reply)


async def _ask(
    databases: Sequence[Database], question: Callable[[Database], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """Ask all databases at once; name those that do not answer."""
    answers = await asyncio.gather(*map(question, databases), return_exceptions=True)
    results: list[Result] = []
    partial: list[str] = []
    for database, answer in zip(databases, answers, strict=True):
        if isinstance(answer, PyMongoError):
            partial.append(database.name)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            results.append(answer)
    return results, partial


def _not_paused(group: str, topic: str | None) -> str:
    if topic is None:
        return sentence("no paused subscription {group}", group=group)
    template = "no paused subscription {group} with a paused topic {topic}"
    return sentence(template, group=group, topic=topic)


def _missing(what: str, partial: Sequence[str]) -> Problem:
    if partial:
        template = "{what}, but some databases do not answer: {partial}"
        return unavailable(sentence(template, what=what, partial=partial))
    return not_found(what)


def _place(pause: Pause) -> tuple[str, str]:
    return pause.group, pause.topic or ""


def _subscription(pause: Pause) -> SubscriptionItem:
    return SubscriptionItem(
        group=pause.group,
        topic=pause.topic,
        paused_since=pause.since,
        reason=pause.reason,
    )


def _replay(answered: StoredOutcome) -> ReplayItem:
    refusal = answered.replay.refusal
    return ReplayItem(
        replay_id=answered.replay.replay_id,
        group=answered.group,
        outcome=answered.replay.outcome,
        reason=refusal.reason if refusal else None,
        detail=refusal.detail if refusal else None,
        at=answered.at,
    )

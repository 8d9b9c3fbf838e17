"""Rules for verdicts beside the handler's: which messages may wait, and answers to replays."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.messaging.core.model import (
    CommitContext,
    Defer,
    Deferred,
    Forward,
    Message,
    OffsetAdvance,
    Outcome,
    Refusal,
    ReplayOutcome,
    Verdict,
)
from shared.messaging.inbound.batches import Judged
from shared.messaging.inbound.deadletters import DeadLetters
from shared.messaging.ledger.deferral import DeferralLimit, DeferredMessages
from shared.runtime.clocks import MachineClock


class VerdictRules:
    """Applies the rules of one group to the verdicts of its handler."""

    def __init__(
        self,
        group: str,
        topics: Collection[str],
        *,
        deferral: DeferredMessages,
        limit: DeferralLimit,
        dead_letters: DeadLetters,
        clock: MachineClock,
    ) -> None:
        self._group = group
        self._topics = frozenset(topics)
        self._deferral = deferral
        self._limit = limit
        self._dead_letters = dead_letters
        self._clock = clock

    async def judge(self, decided: Sequence[Judged]) -> Sequence[Judged]:
        """Replace Defer by a refusal if the message may not wait, or has waited long enough."""
        new = [
            item.content.inbox_id
            for item, verdict in decided
            if isinstance(verdict, Defer)
            and isinstance(item.content, Message)
            and not item.deferred
        ]
        known = set(await self._deferral.known(new))
        room = await self._deferral.room(self._limit) if new else 0
        judged: list[Judged] = []
        for item, verdict in decided:
            final: Verdict = verdict
            if isinstance(verdict, Defer):
                assert isinstance(item.content, Message)
                id_ = item.content.inbox_id
                if item.deferred:
                    if item.deferred.at + self._limit.longest <= self._clock.now():
                        final = verdict.refusal
                elif id_ in known:
                    final = Outcome.DUPLICATE
                elif room <= 0 or item.record.topic not in self._topics:
                    final = verdict.refusal  # a replay is answered at once
                else:
                    known.add(id_)
                    room -= 1
            judged.append((item, final))
        return judged

    def context(
        self, judged: Sequence[Judged], advances: tuple[OffsetAdvance, ...]
    ) -> CommitContext:
        """What the transaction stores besides the changes."""
        now = self._clock.now()
        return CommitContext(
            "event",
            self._group,
            advances=advances,
            replay_outcomes=self._replay_outcomes(judged),
            defers=tuple(
                Deferred(item.content.inbox_id, self._group, verdict.about, now, item.record)
                for item, verdict in judged
                if isinstance(verdict, Defer)
                and isinstance(item.content, Message)
                and not item.deferred
            ),
            ends=tuple(
                item.deferred.id
                for item, verdict in judged
                if item.deferred and not isinstance(verdict, Defer)
            ),
        )

    def _replay_outcomes(self, judged: Sequence[Judged]) -> tuple[ReplayOutcome, ...]:
        """The outcomes of dead letters that were replayed to this group."""
        outcomes = []
        for item, verdict in judged:
            if item.record.topic in self._topics:
                continue  # no replay
            replay_id = self._dead_letters.replay_id(item.record)
            mine = self._dead_letters.origin(item.record).topic in self._topics
            if replay_id is None or not mine:
                continue
            refusal = verdict if isinstance(verdict, Refusal) else None
            outcomes.append(ReplayOutcome(replay_id, outcome_of(verdict), refusal))
        return tuple(outcomes)


def outcome_of(verdict: Verdict) -> Outcome:
    """The outcome as which a verdict is counted."""
    match verdict:
        case Refusal():
            return Outcome.DEAD_LETTERED
        case Defer():
            return Outcome.DEFERRED
        case Forward():
            return Outcome.FORWARDED
        case _:
            return verdict

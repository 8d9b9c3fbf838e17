"""What is judged beside the handler: who may wait, who has waited too long, what replays became."""

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
    """Judges for one group what its handler has decided."""

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
        """Let wait what may; refuse what may not, or has waited long enough."""
        new = [
            item.content.inbox_id
            for item, verdict in decided
            if isinstance(verdict, Defer) and isinstance(item.content, Message) and not item.waited
        ]
        known = set(await self._deferral.known(new))
        room = await self._deferral.room(self._limit) if new else 0
        judged: list[Judged] = []
        for item, verdict in decided:
            final: Verdict = verdict
            if isinstance(verdict, Defer):
                assert isinstance(item.content, Message)
                id_ = item.content.inbox_id
                if item.waited:
                    if item.waited.at + self._limit.longest <= self._clock.now():
                        final = verdict.refusal
                elif id_ in known:
                    final = Outcome.DUPLICATE
                elif room <= 0 or item.record.topic not in self._topics:
                    final = verdict.refusal  # whoever replays gets answers
                else:
                    known.add(id_)
                    room -= 1
            judged.append((item, final))
        return judged

    def cause(self, judged: Sequence[Judged], moves: tuple[OffsetAdvance, ...]) -> CommitContext:
        """What a transaction notes besides its effect."""
        now = self._clock.now()
        return CommitContext(
            "event",
            self._group,
            moves=moves,
            answers=self._answers(judged),
            defers=tuple(
                Deferred(item.content.inbox_id, self._group, verdict.about, now, item.record)
                for item, verdict in judged
                if isinstance(verdict, Defer)
                and isinstance(item.content, Message)
                and not item.waited
            ),
            ends=tuple(
                item.waited.id
                for item, verdict in judged
                if item.waited and not isinstance(verdict, Defer)
            ),
        )

    def _answers(self, judged: Sequence[Judged]) -> tuple[ReplayOutcome, ...]:
        """What became of the dead letters that came back to this group."""
        answers = []
        for item, verdict in judged:
            if item.record.topic in self._topics:
                continue  # nobody's replay
            replay_id = self._dead_letters.replay_id(item.record)
            mine = self._dead_letters.origin(item.record).topic in self._topics
            if replay_id is None or not mine:
                continue
            refusal = verdict if isinstance(verdict, Refusal) else None
            answers.append(ReplayOutcome(replay_id, outcome_of(verdict), refusal))
        return tuple(answers)


def outcome_of(verdict: Verdict) -> Outcome:
    """How a verdict is counted."""
    match verdict:
        case Refusal():
            return Outcome.DEAD_LETTERED
        case Defer():
            return Outcome.DEFERRED
        case Forward():
            return Outcome.FORWARDED
        case _:
            return verdict

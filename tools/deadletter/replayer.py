"""Sends dead letters back to their service, one after the other, and waits for each result.

Before a letter is sent, its triage is stored as waiting, with the id of the replay; the message
carries the same id. So an interruption loses nothing. The letter may be sent again with that id:
if the first one took effect, the service recognizes the second one as a duplicate.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiokafka.errors import KafkaError

from shared.messaging.core.errors import Unsendable
from shared.messaging.core.model import Origin, Outcome
from shared.messaging.inbound import deadletters
from shared.messaging.inbound.deadletters import REPLAY_ID
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher
from shared.runtime.clocks import MachineClock
from tools.deadletter import mending
from tools.deadletter.dead_letters import DeadLetterNotes, StoredDeadLetter, format_origin
from tools.deadletter.service_client import ReplayAnswer, ServiceClient
from tools.deadletter.topic import DeadLetterTopic
from tools.deadletter.triage import (
    MessageContent,
    OperatorAction,
    Triage,
    TriageConflict,
    TriageRepository,
    TriageStatus,
)

_POLL_SECONDS: Final = 0.05

_STATUS: Final = {
    Outcome.APPLIED: TriageStatus.APPLIED,
    Outcome.DUPLICATE: TriageStatus.DUPLICATE,
    Outcome.IGNORED: TriageStatus.IGNORED,
    Outcome.FORWARDED: TriageStatus.FORWARDED,
    Outcome.DEAD_LETTERED: TriageStatus.REFUSED,
}

REPLAYED_BY_DEFAULT: Final = frozenset(
    {TriageStatus.OPEN, TriageStatus.MENDED, TriageStatus.WAITING}
)
"""States whose letters are sent if none is named: open, mended, or without an answer."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of one replay."""

    origin: Origin
    status: TriageStatus
    detail: str = ""
    again: bool = False  # whether it had been replayed before
    error: str = ""  # why no further letter is sent; empty if all is well


class Replayer:
    """Replays dead letters of one service; `stop` ends it after the current one."""

    def __init__(
        self,
        *,
        topic: str,
        dead_letters: DeadLetterTopic,
        publisher: Publisher,
        service: ServiceClient,
        triages: TriageRepository,
        clock: MachineClock,
        who: str,
        timeout_seconds: float,
    ) -> None:
        self._topic = topic
        self._dead_letters = dead_letters
        self._publisher = publisher
        self._service = service
        self._triages = triages
        self._clock = clock
        self._who = who
        self._timeout = timeout_seconds
        self.stop = asyncio.Event()

    async def replay(
        self, selected: Sequence[DeadLetterNotes], rate: float
    ) -> AsyncIterator[ReplayResult]:
        """Send at most `rate` letters per second; end after the first error, or at `stop`.

        Raises ServiceUnavailable and UnknownDeadLetter.
        """
        for number, notes in enumerate(selected):
            started = self._clock.monotonic()
            if self.stop.is_set():
                return
            result = await self.replay_one(notes)
            yield result
            if result.error:
                return
            spent = self._clock.monotonic() - started
            if number + 1 < len(selected):
                await self._sleep(1 / rate - spent)

    async def replay_one(self, notes: DeadLetterNotes) -> ReplayResult:
        """Send one letter and wait for the result. Raises ServiceUnavailable, UnknownDeadLetter."""
        letter = await self._dead_letters.read(notes)
        triage = (await self._triages.find(notes.origin)).with_notes(notes)
        before = await self.refresh(triage)
        if triage.status is TriageStatus.WAITING and before.status is not TriageStatus.WAITING:
            refused = before.status is TriageStatus.REFUSED
            return ReplayResult(
                notes.origin,
                before.status,
                before.refusal,
                error=before.refusal if refused else "",
            )
        if before.status is TriageStatus.DISCARDED:
            return ReplayResult(notes.origin, before.status, error="it was discarded")
        again = before.replay_id is not None and before.status is not TriageStatus.MENDED
        try:
            triage = await self._claim(before)
        except TriageConflict as conflict:
            return ReplayResult(notes.origin, before.status, error=str(conflict))
        try:
            await self._publisher.send_all([replay_record(self._topic, letter, triage)])
        except (KafkaError, Unsendable, OSError) as error:
            reason = f"Kafka did not take it ({type(error).__name__}: {error}); run this again"
            return ReplayResult(notes.origin, TriageStatus.WAITING, again=again, error=reason)
        return await self._wait_for_answer(triage, again)

    async def refresh(self, triage: Triage) -> Triage:
        """Ask for the answer to a replay that had none yet, and store it.

        The triage may have been read without its actions. Raises ServiceUnavailable.
        """
        if triage.status is not TriageStatus.WAITING or triage.replay_id is None:
            return triage
        answer = await self._service.replay_answer(triage.replay_id)
        if answer is None:
            return triage
        current = await self._triages.find(triage.origin)
        if current.revision != triage.revision:
            return current
        return await self._store_answer(current, answer)

    async def _claim(self, before: Triage) -> Triage:
        waiting = before.status is TriageStatus.WAITING
        action = OperatorAction("replayed", self._who, self._clock.now())
        after = replace(
            before,
            status=TriageStatus.WAITING,
            replay_id=before.replay_id if waiting else str(uuid.uuid4()),
            refusal="",
            actions=(*before.actions, action),
        )
        return await self._triages.update(before, after)

    async def _wait_for_answer(self, triage: Triage, again: bool) -> ReplayResult:
        assert triage.replay_id is not None
        deadline = self._clock.monotonic() + self._timeout
        while (answer := await self._service.replay_answer(triage.replay_id)) is None:
            if self.stop.is_set():
                detail = "stopped before its answer came; it is not lost"
                return ReplayResult(triage.origin, TriageStatus.WAITING, detail, again)
            if self._clock.monotonic() > deadline:
                reason = await self._reason_of_timeout()
                return ReplayResult(triage.origin, TriageStatus.WAITING, again=again, error=reason)
            await self._sleep(_POLL_SECONDS)
        await self._store_answer(triage, answer)
        status = _STATUS[answer.outcome]
        error = answer.refusal if status is TriageStatus.REFUSED else ""
        return ReplayResult(triage.origin, status, answer.refusal, again, error)

    async def _store_answer(self, triage: Triage, answer: ReplayAnswer) -> Triage:
        status, refusal = _STATUS[answer.outcome], answer.refusal
        outcome = status.short
        action = replace(triage.actions[-1], why=f"{outcome}: {refusal}" if refusal else outcome)
        was_applied = any(a.why == TriageStatus.APPLIED.short for a in triage.actions)
        if status is TriageStatus.DUPLICATE and was_applied:
            status = TriageStatus.APPLIED  # by an earlier replay; a duplicate does not undo it
        after = replace(
            triage, status=status, refusal=refusal, actions=(*triage.actions[:-1], action)
        )
        try:
            return await self._triages.update(triage, after)
        except TriageConflict:  # another operator asked as well and has stored the answer
            return after

    async def _reason_of_timeout(self) -> str:
        reason = f"no answer within {self._timeout:g} s; it is in {self._topic} and is not lost"
        paused = [p.group for p in await self._service.paused()]
        if paused:
            return f"{reason}; paused are {', '.join(paused)}: see resume"
        return reason

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), max(0.0, seconds))
        except TimeoutError:
            return


def select_by_default(
    notes: Collection[DeadLetterNotes],
    triage_of: Callable[[DeadLetterNotes], Triage],
    *,
    reason: str | None,
    count: int | None,
) -> list[DeadLetterNotes]:
    """Return the letters to send if none is named, in the order of their origins.

    Messages of one key are in one partition, so an approval is sent before its amendment.
    """
    selected = [
        each
        for each in notes
        if triage_of(each).status in REPLAYED_BY_DEFAULT and reason in {None, each.reason}
    ]
    selected.sort(key=lambda n: (n.origin.topic, n.origin.partition, n.origin.offset))
    return selected[:count]


def message_to_send(letter: StoredDeadLetter, triage: Triage) -> MessageContent:
    """Return the mended message if there is one, else the original.

    The original is sent without headers that say it was mended: a sender may have put them there,
    to be believed without a signature.
    """
    unmended = mending.without(letter.headers, mending.FROM, mending.BY, mending.BECAUSE)
    return triage.mended_message or MessageContent(letter.value, unmended)


def replay_record(topic: str, letter: StoredDeadLetter, triage: Triage) -> OutgoingRecord:
    """Return the record to send: its message, with its origin and the id of the replay."""
    message = message_to_send(letter, triage)
    origin, notes = letter.notes.origin, letter.notes
    added = {
        deadletters.TOPIC: origin.topic,
        deadletters.PARTITION: str(origin.partition),
        deadletters.OFFSET: str(origin.offset),
        deadletters.ATTEMPTS: str(notes.attempts),
        REPLAY_ID: triage.replay_id or "",
    }
    kept = [(name, raw) for name, raw in message.headers if name != REPLAY_ID]
    headers = [*kept, *((name, text.encode()) for name, text in added.items())]
    return OutgoingRecord(topic, letter.key, message.value, headers)  # type: ignore[arg-type]  # Kafka accepts null headers as well


def describe(result: ReplayResult) -> str:
    """Return the result in one line for people."""
    line = f"{format_origin(result.origin)}: {result.status.short}"
    if result.again and result.status is TriageStatus.DUPLICATE:
        line += " (it had gone before; the service knows it, nothing changed)"
    if result.detail and not result.error:
        line += f" ({result.detail})"
    return line

"""Sends dead letters back to their service, one after the other, and says what became of each.

A letter is claimed in the book before it is sent, under an id that goes with it. So an interruption
loses nothing: the book has the letter as waiting, and sending it once more under the same id does
no harm, since the service's own rules make a duplicate of it.
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
from shared.messaging.kafka.publisher import OutgoingRecord, Publisher
from shared.runtime.clocks import MachineClock
from tools.deadletter.book import Book, Deed, Mended, Moved, Page, Status
from tools.deadletter.letters import Letter, Notes, written
from tools.deadletter.service import Service
from tools.deadletter.topic import DeadLetterTopic

_POLL_SECONDS: Final = 0.05

_STATUS: Final = {
    Outcome.APPLIED: Status.APPLIED,
    Outcome.DUPLICATE: Status.DUPLICATE,
    Outcome.IGNORED: Status.IGNORED,
    Outcome.FORWARDED: Status.FORWARDED,
    Outcome.DEAD_LETTERED: Status.REFUSED,
}

TO_SEND: Final = frozenset({Status.OPEN, Status.MENDED, Status.WAITING})
"""States that are sent if no letters are named: never tried, mended, or without an answer."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter. `wrong` says why nothing more is sent; empty if all is well."""

    origin: Origin
    status: Status
    told: str = ""
    again: bool = False  # it had been replayed before
    wrong: str = ""


class Replaying:
    """Replays letters of one service; `stop` ends it after the letter in hand."""

    def __init__(
        self,
        *,
        topic: str,
        letters: DeadLetterTopic,
        publisher: Publisher,
        service: Service,
        book: Book,
        clock: MachineClock,
        who: str,
        timeout_seconds: float,
    ) -> None:
        self._topic = topic
        self._letters = letters
        self._publisher = publisher
        self._service = service
        self._book = book
        self._clock = clock
        self._who = who
        self._timeout = timeout_seconds
        self.stop = asyncio.Event()

    async def replay(self, chosen: Sequence[Notes], rate: float) -> AsyncIterator[Replayed]:
        """Send at most `rate` per second; ends after the first that goes wrong, or at `stop`."""
        for number, notes in enumerate(chosen):
            begun = self._clock.monotonic()
            if self.stop.is_set():
                return
            replayed = await self.one(notes)
            yield replayed
            if replayed.wrong:
                return
            spent = self._clock.monotonic() - begun
            if number + 1 < len(chosen):
                await self._rest(1 / rate - spent)

    async def one(self, notes: Notes) -> Replayed:
        """Send one letter and wait for what becomes of it. Raises NoService, UnknownLetter."""
        letter = await self._letters.letter(notes)
        page = (await self._book.page(notes.origin)).seen_with(notes)
        before = await self.settle(page)
        if page.status is Status.WAITING and before.status is not Status.WAITING:
            wrong = before.told if before.status is Status.REFUSED else ""
            return Replayed(notes.origin, before.status, before.told, wrong=wrong)
        if before.status is Status.DISCARDED:
            return Replayed(notes.origin, before.status, wrong="it was discarded")
        again = before.replay_id is not None and before.status is not Status.MENDED
        try:
            page = await self._claim(before)
        except Moved as moved:
            return Replayed(notes.origin, before.status, wrong=str(moved))
        try:
            await self._publisher.send_all([outgoing(self._topic, letter, page)])
        except (KafkaError, Unsendable, OSError) as error:
            wrong = f"Kafka did not take it ({type(error).__name__}: {error}); run this again"
            return Replayed(notes.origin, Status.WAITING, again=again, wrong=wrong)
        return await self._answered(page, again)

    async def settle(self, page: Page) -> Page:
        """Ask what became of a letter that had no answer when somebody stopped waiting."""
        if page.status is not Status.WAITING or page.replay_id is None:
            return page
        became = await self._service.became(page.replay_id)
        if became is None:
            return page
        full = await self._book.page(page.origin)
        if full.revision != page.revision:
            return full
        return await self._turned(full, _STATUS[became.outcome], became.told)

    async def _claim(self, before: Page) -> Page:
        waiting = before.status is Status.WAITING
        deed = Deed("replayed", self._who, self._clock.now())
        after = replace(
            before,
            status=Status.WAITING,
            replay_id=before.replay_id if waiting else str(uuid.uuid4()),
            told="",
            deeds=(*before.deeds, deed),
        )
        return await self._book.turn(before, after)

    async def _answered(self, page: Page, again: bool) -> Replayed:
        assert page.replay_id is not None
        until = self._clock.monotonic() + self._timeout
        while (became := await self._service.became(page.replay_id)) is None:
            if self.stop.is_set():
                told = "stopped before its answer came; it is not lost"
                return Replayed(page.origin, Status.WAITING, told, again)
            if self._clock.monotonic() > until:
                wrong = await self._why_silent()
                return Replayed(page.origin, Status.WAITING, again=again, wrong=wrong)
            await self._rest(_POLL_SECONDS)
        status = _STATUS[became.outcome]
        await self._turned(page, status, became.told)
        wrong = became.told if status is Status.REFUSED else ""
        return Replayed(page.origin, status, became.told, again, wrong)

    async def _turned(self, page: Page, status: Status, told: str) -> Page:
        outcome = status.short
        deed = replace(page.deeds[-1], why=f"{outcome}: {told}" if told else outcome)
        if status is Status.DUPLICATE and any(d.why == Status.APPLIED.short for d in page.deeds):
            status = Status.APPLIED  # of this very message: a repetition takes nothing away
        after = replace(page, status=status, told=told, deeds=(*page.deeds[:-1], deed))
        try:
            return await self._book.turn(page, after)
        except Moved:  # somebody else asked as well
            return after

    async def _why_silent(self) -> str:
        told = f"no answer within {self._timeout:g} s; it is in {self._topic} and is not lost"
        paused = [p.group for p in await self._service.paused()]
        if paused:
            return f"{told}; paused are {', '.join(paused)}: see resume"
        return told

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), max(0.0, seconds))
        except TimeoutError:
            return


def choose(
    notes: Collection[Notes],
    pages: Callable[[Notes], Page],
    *,
    reason: str | None,
    count: int | None,
) -> list[Notes]:
    """The letters to send if none is named, in the order in which they first came.

    The order of a key is its partition's, so that an approval goes before its amendment.
    """
    wanted = [
        note for note in notes if pages(note).status in TO_SEND and reason in {None, note.reason}
    ]
    wanted.sort(key=lambda n: (n.origin.topic, n.origin.partition, n.origin.offset))
    return wanted[:count]


def outgoing(topic: str, letter: Letter, page: Page) -> OutgoingRecord:
    """The record that is sent: the mended message if there is one, else the original."""
    message = page.mended or Mended(letter.value, letter.headers)
    origin, notes = letter.notes.origin, letter.notes
    ours = {
        deadletters.TOPIC: origin.topic,
        deadletters.PARTITION: str(origin.partition),
        deadletters.OFFSET: str(origin.offset),
        deadletters.ATTEMPTS: str(notes.attempts),
        REPLAY_ID: page.replay_id or "",
    }
    kept = [(name, raw) for name, raw in message.headers if name != REPLAY_ID]
    headers = [*kept, *((name, text.encode()) for name, text in ours.items())]
    return OutgoingRecord(topic, letter.key, message.value, headers)  # type: ignore[arg-type]  # Kafka takes null headers as well


def told_of(replayed: Replayed) -> str:
    """One line for people: what became of it, and that a repetition did no harm."""
    line = f"{written(replayed.origin)}: {replayed.status.short}"
    if replayed.again and replayed.status is Status.DUPLICATE:
        line += " (it had gone before; the service knows it, nothing changed)"
    if replayed.told and not replayed.wrong:
        line += f" ({replayed.told})"
    return line

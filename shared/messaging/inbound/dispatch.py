"""What a batch sends to other topics: dead letters, rejections and forwarded records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from shared.messaging.core.model import Forward, Record, Refusal
from shared.messaging.inbound.batches import BatchItem, Judged
from shared.messaging.inbound.deadletters import DeadLetter, DeadLetters

_Place: TypeAlias = tuple[str, int, int, int]
"""Topic, partition, offset and time: a topic that was created again has other records there."""

_Kind: TypeAlias = Literal["letter", "rejection", "forward"]


class VerdictDispatch:
    """Sends each of these once, acknowledged by Kafka, before the position passes the record.

    Kafka's acknowledgements are remembered until the position has passed, however often a save
    fails meanwhile and however the batch is halved. And what was sent is final: a record that has
    a dead letter is not decided again, else it might be applied after all. Only a process that
    dies before the position passes writes a dead letter twice; its origin identifies it.
    """

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._final: dict[_Place, Refusal | Forward] = {}
        self._sent: set[tuple[_Place, _Kind]] = set()

    def final_verdict(self, item: BatchItem) -> Refusal | Forward | None:
        """The verdict that was already sent of a record whose position has not passed yet."""
        return self._final.get(_place(item.record)) if self._final else None

    def is_done(self, judged: Iterable[Judged]) -> bool:
        """Whether nothing is left to send."""
        return all(not self._missing(item, verdict) for item, verdict in judged)

    async def send(self, judged: Iterable[Judged], tries: int) -> None:
        """Send what was not sent before, and wait until Kafka has acknowledged all of it.

        `tries`: how often the batch was tried; the dead letters say it. Raises the first failure,
        such as KafkaError or Unsendable; what was acknowledged is not sent again.
        """
        letters: dict[_Kind, list[DeadLetter]] = {"letter": [], "rejection": []}
        forwards: list[tuple[Record, Forward]] = []
        for item, verdict in judged:
            for kind in self._missing(item, verdict):
                if isinstance(verdict, Refusal):
                    letters[kind].append(DeadLetter(item.record, verdict, tries))
                elif isinstance(verdict, Forward):
                    forwards.append((item.record, verdict))
        failures: list[Exception] = []
        if forwards:
            answers = await self._dead_letters.forward([(r, f.topic) for r, f in forwards])
            failures += self._note("forward", forwards, answers)
        if letters["letter"]:
            answers = await self._dead_letters.send(letters["letter"])
            failures += self._note("letter", _refusals(letters["letter"]), answers)
        if letters["rejection"]:
            answers = await self._dead_letters.reject(letters["rejection"])
            failures += self._note("rejection", _refusals(letters["rejection"]), answers)
        if failures:
            raise failures[0]

    def forget(self, items: Iterable[BatchItem]) -> None:
        """Forget these: the position has passed them."""
        if not self._final:
            return
        for item in items:
            place = _place(item.record)
            if self._final.pop(place, None) is not None:
                self._sent -= {(place, "letter"), (place, "rejection"), (place, "forward")}

    def _missing(self, item: BatchItem, verdict: object) -> Sequence[_Kind]:
        kinds: tuple[_Kind, ...] = ()
        if isinstance(verdict, Refusal):
            kinds = ("letter", "rejection")
        elif isinstance(verdict, Forward):
            kinds = ("forward",)
        if not kinds or not self._sent:
            return kinds
        place = _place(item.record)
        return [kind for kind in kinds if (place, kind) not in self._sent]

    def _note(
        self,
        kind: _Kind,
        sent: Iterable[tuple[Record, Refusal | Forward]],
        answers: Sequence[Exception | None],
    ) -> list[Exception]:
        failures = []
        for (record, verdict), failure in zip(sent, answers, strict=True):
            if failure is None:
                self._final[_place(record)] = verdict
                self._sent.add((_place(record), kind))
            else:
                failures.append(failure)
        return failures


def _refusals(letters: Sequence[DeadLetter]) -> list[tuple[Record, Refusal | Forward]]:
    return [(letter.record, letter.refusal) for letter in letters]


def _place(record: Record) -> _Place:
    return record.topic, record.partition, record.offset, record.timestamp

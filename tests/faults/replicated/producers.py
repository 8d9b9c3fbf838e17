"""Two clients of another maker: an idempotent producer, and one that sends in transactions."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shared.contracts.topics import Topics
from tests.component.harness import binary
from tests.faults.replicated.pulse import Pulse
from tests.faults.replicated.stories import IN_TRANSACTIONS, Record, Stories
from tests.promise.history import Outcome, Place, Sent

ABORTED: Final = 0.3
PATIENCE_SECONDS: Final = 600.0  # longer than any fault: within it the library keeps the order
TRANSACTION_SECONDS: Final = 10.0
"""What a client that died leaves open holds up every reader of its partitions for so long."""

_COMMON: Final = {
    "acks": "all",
    "reconnect.backoff.max.ms": 500,
    "retry.backoff.max.ms": 500,
    "socket.timeout.ms": 5_000,
    "request.timeout.ms": 5_000,
    "log_level": 0,
}


def sent_as(record: Record, topics: Topics, outcome: Outcome, place: Place | None = None) -> Sent:
    """What a client knows of a record that it sent."""
    return Sent(
        id=record.id,
        topic=topics.resolutions(record.deputy),
        key=record.key,
        outcome=outcome,
        place=place,
        effects=record.effects,
        refusal=record.refusal,
        in_order=record.in_order,
        kind=record.kind,
    )


class SteadyClient:
    """Sends one record after the other without waiting, in order of stories, at a rate."""

    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        stories: Stories,
        pulse: Pulse,
        approved: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`approved` is called with each resolution whose approval Kafka acknowledged."""
        self._settings = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "message.timeout.ms": int(PATIENCE_SECONDS * 1_000),
            **_COMMON,
        }
        self._producer = Producer(self._settings)
        self._unanswered: dict[int, Record] = {}  # by number, of this producer alone
        self._topics = topics
        self._stories = stories
        self._pulse = pulse
        self._approved = approved
        self.sent: list[Sent] = []
        self.handed = 0

    async def run(self, rate: float, until: Callable[[], bool]) -> None:
        """Send so many a second until it is enough, then the rest of the stories begun."""
        begun, first = time.monotonic(), self.handed
        while not until():
            while self.handed - first < (time.monotonic() - begun) * rate:
                self.send(self._stories.next())
            self._poll()
            await asyncio.sleep(0.01)
        for record in self._stories.rest():
            self.send(record)
        await self.settle()

    async def settle(self) -> None:
        """Wait until Kafka has answered all. Raises AssertionError where it does not."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._unanswered:
            assert time.monotonic() < until, f"{len(self._unanswered)} records are unanswered"
            self._poll()
            await asyncio.sleep(0.01)

    def send(self, record: Record) -> None:
        """Hand it over; what becomes of it stands in `sent` later."""
        if record.opens is not None:
            self._pulse.sent(record.opens)

        number, unanswered = self.handed, self._unanswered

        def answered(error: KafkaError | None, message: Message) -> None:
            if unanswered is not self._unanswered:  # of a producer that was given up
                return
            del unanswered[number]
            if error is not None:
                self.sent.append(sent_as(record, self._topics, Outcome.UNKNOWN))
                self.send(record)  # the same ce_id: whether it is there twice makes no difference
                return
            self.sent.append(sent_as(record, self._topics, Outcome.ACKNOWLEDGED, _place(message)))
            if record.opens is not None:
                self._approved(record.opens)

        unanswered[number] = record
        self.handed += 1
        try:
            self._producer.produce(
                self._topics.resolutions(record.deputy),
                record.value,
                record.key.encode(),
                headers=[*binary(record.type, record.id, record.source)],
                on_delivery=answered,
            )
        except KafkaException as raised:
            self._begin_anew(raised)

    def _poll(self) -> None:
        """Take answers."""
        try:
            self._producer.poll(0)
        except (KafkaException, SystemError) as raised:
            self._begin_anew(raised)

    def _begin_anew(self, raised: KafkaException | SystemError) -> None:
        """After a fatal error, send what is unanswered with a new producer. Raises another one."""
        if not _failure(raised).fatal():
            raise raised
        left = list(self._unanswered.values())
        self._producer, self._unanswered = Producer(self._settings), {}
        for record in left:
            self.sent.append(sent_as(record, self._topics, Outcome.UNKNOWN))
            self.send(record)


class TransactionalClient:
    """Sends some records in a transaction, and aborts some of them. Its calls block a thread."""

    def __init__(self, bootstrap: str, topics: Topics, seed: int, name: str = "foreign") -> None:
        self._settings = {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{name}-{seed}",
            "transaction.timeout.ms": int(TRANSACTION_SECONDS * 1_000),
            **_COMMON,
        }
        self._topics = topics
        self._chance = random.Random(f"{seed} transactions")
        self._stories = Stories(seed, f"t{name}")
        self._producer: Producer | None = None
        self.sent: list[Sent] = []
        self.begun = 0

    async def run(self, pause_seconds: float, until: Callable[[], bool]) -> None:
        """One transaction after the other until it is enough."""
        while not until():
            records = self._stories.together(IN_TRANSACTIONS)
            abort = self._chance.random() < ABORTED
            await asyncio.to_thread(self.transaction, records, abort=abort)
            await asyncio.sleep(self._chance.uniform(0.2, 1.8) * pause_seconds)

    def transaction(self, records: Sequence[Record], *, abort: bool) -> Outcome:
        """Send them in one, and note what became of them. Blocks."""
        places: dict[str, Place | None] = {}
        self.begun += 1
        outcome = self._attempt(records, places, abort=abort)
        for record in records:
            known = places.get(record.id) if outcome is Outcome.ACKNOWLEDGED else None
            self.sent.append(sent_as(record, self._topics, outcome, known))
        return outcome

    def _attempt(
        self, records: Sequence[Record], places: dict[str, Place | None], *, abort: bool
    ) -> Outcome:
        """What is known in the end. Where nothing was asked to be committed, nothing is."""
        commits = False
        try:
            producer = self._ready()
            producer.begin_transaction()
            for record in records:
                producer.produce(
                    self._topics.resolutions(record.deputy),
                    record.value,
                    record.key.encode(),
                    headers=[*binary(record.type, record.id, record.source)],
                    on_delivery=partial(_note, places, record.id),
                )
            producer.flush(TRANSACTION_SECONDS)
            if abort:
                _again(producer.abort_transaction)
                return Outcome.ABORTED
            commits = True
            _again(producer.commit_transaction)
        except (KafkaException, SystemError) as raised:
            return self._give_up(_failure(raised), commits=commits)
        return Outcome.ACKNOWLEDGED

    def _give_up(self, error: KafkaError, *, commits: bool) -> Outcome:
        """Abort where the library says that this is the way; else begin with a producer anew."""
        if error.txn_requires_abort() and self._producer is not None:
            try:
                _again(self._producer.abort_transaction)
            except KafkaException:
                self._producer = None
            return Outcome.ABORTED
        self._producer = None
        return Outcome.UNKNOWN if commits else Outcome.ABORTED

    def _ready(self) -> Producer:
        """The producer; a new one ends what the one before left open."""
        if self._producer is None:
            producer = Producer(self._settings)
            _again(producer.init_transactions)
            self._producer = producer
        return self._producer


def _failure(raised: KafkaException | SystemError) -> KafkaError:
    """What Kafka's library says has failed.

    Where an error is fatal, the binding raises it before it calls back, and Python complains.
    """
    failure = raised if isinstance(raised, KafkaException) else raised.__cause__
    if not isinstance(failure, KafkaException):
        raise raised
    error: KafkaError = failure.args[0]
    return error


def _again(step: Callable[[float], None]) -> None:
    """Take a step of a transaction until it is done. Raises KafkaException."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            step(5.0)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if not error.retriable() or time.monotonic() > until:
                raise
        else:
            return


def _note(
    places: dict[str, Place | None], id_: str, error: KafkaError | None, message: Message
) -> None:
    if error is None:
        places[id_] = _place(message)


def _place(message: Message) -> Place | None:
    """Where Kafka put it; a batch that it had taken at an earlier try is acknowledged without."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None or offset < 0:
        return None
    return Place(topic, partition, offset)

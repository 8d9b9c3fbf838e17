"""FastStream, used so that nothing is lost: the only module that knows how it behaves.

Seen with FastStream 0.7: its own parser decodes every header as text, its own decoder parses JSON
before the handler, and after an exception of the handler it commits all the same. So both are
replaced, offsets are committed by hand (`Consumer` commits exact ones), and no exception escapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from shared.messaging.core.errors import TopicsMissing
from shared.messaging.core.retrying import START_SECONDS, retry_transient
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.messaging.inbound.consumer import Consumer
from shared.messaging.kafka.connection import KafkaConnection
from shared.messaging.kafka.consumers import SteadyConsumer
from shared.runtime.clocks import MachineClock

_POLL_MS: Final = 20  # FastStream also sleeps this long after an empty poll: half the idle delay
_NEVER_MS: Final = 24 * 3_600_000  # a consumer that waits for MongoDB stays a member of its group
_SESSION_MS: Final = 6_000  # how long the partitions of a killed process wait; Kafka's minimum
_METADATA_MS: Final = 10_000  # how late a consumer hears of new partitions
_CHECK_SECONDS: Final = 2.0

Records = tuple[ConsumerRecord[bytes, bytes], ...]


class Subscription:
    """What one consumer group reads in this process, on its own FastStream broker.

    So a group that has to wait delays no other.
    """

    def __init__(
        self,
        consumer: Consumer[Any],
        topics: Collection[str],
        kafka: KafkaConnection,
        *,
        client_id: str,
        clock: MachineClock,
        stalls: Stalls,
        existing: Callable[[Collection[str]], Awaitable[set[str]]],
        batch_max_records: int,
        drain_seconds: float = 15.0,
    ) -> None:
        """`existing` asks the broker which of some topics exist. Nothing is read before `run`."""
        self._consumer = consumer
        self._topics = frozenset(topics)
        self._clock = clock
        self._stalls = stalls
        self._existing = existing
        self._kafka = kafka
        self._broker = _broker(kafka, client_id, drain_seconds)
        self._subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=consumer.group,
            auto_offset_reset="none",  # the database knows the offsets
            isolation_level="read_committed",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            max_records=batch_max_records,
            batch_timeout_ms=_POLL_MS,
            max_poll_interval_ms=_NEVER_MS,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 3,
            listener=consumer.listener,
            parser=_parser(lambda: self._subscriber.consumer),
            decoder=_raw,
            title=consumer.group,
        )

        @self._subscriber
        async def consume(msg: KafkaMessage) -> None:
            await consumer.consume(msg.raw_message, msg.consumer)  # type: ignore[arg-type]  # FastStream names less than aiokafka's consumer has

    async def run(self) -> None:
        """Read until cancelled. Waits for a broker that does not answer, and for missing topics."""
        part = StalledPart("subscription", self._consumer.group)
        try:
            async for attempt in retry_transient(
                f"kafka of {self._consumer.group}", self._clock, longest_seconds=START_SECONDS
            ):
                with attempt, self._stalls.shown(part):
                    await self._start()
            while True:
                async for attempt in retry_transient(
                    f"positions of {self._consumer.group}", self._clock
                ):
                    with attempt, self._stalls.shown(part):
                        await self._check()
                await self._consumer.wake_up.wait(_CHECK_SECONDS)
        finally:
            await self._broker.stop()

    async def _check(self) -> None:
        self._kafka.check()
        kafka = self._subscriber.consumer
        if kafka is None:
            return
        failure = getattr(kafka, "failure", None)
        if failure is not None and cause_of(failure) is StallCause.NO_RIGHT:
            raise failure  # shown as long as reads fail so; FastStream only logs it
        await self._consumer.check(kafka)

    async def _start(self) -> None:
        # A consumer of a topic that does not exist yet would idle until it hears of it.
        missing = self._topics - await self._existing(self._topics)
        if missing:
            raise TopicsMissing(missing)
        try:
            options = (await self._broker.connect()).keywords  # type: ignore[attr-defined]  # a partial
            self._broker.config.broker_config.builder = partial(
                SteadyConsumer,
                on_offset_lost=self._consumer.wake_up.wake,
                **{**options, **self._kafka.options()},
            )
            await self._kafka.start(self._broker)
        except BaseException:
            await self._broker.stop()  # it may have started in part
            raise


def _broker(kafka: KafkaConnection, client_id: str, drain_seconds: float) -> KafkaBroker:
    return KafkaBroker(
        list(kafka.servers),  # the login comes with the builder of its consumers
        client_id=client_id,
        graceful_timeout=drain_seconds,
        allow_auto_create_topics=False,
        metadata_max_age_ms=_METADATA_MS,
        consumer_only=True,
        logger=None,
    )


def _parser(
    consumer: Callable[[], AIOKafkaConsumer | None],
) -> Callable[[Records], Awaitable[KafkaMessage]]:
    async def parse(records: Records) -> KafkaMessage:
        last = records[-1]
        return KafkaAckableMessage(
            body=records,
            headers={},
            raw_message=records,
            consumer=consumer(),
            message_id=f"{last.topic}/{last.partition}/{last.offset}",
            correlation_id="",
        )

    return parse


async def _raw(message: KafkaMessage) -> Any:
    return message.raw_message

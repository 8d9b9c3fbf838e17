"""Records that are small only while compressed: refused by topics, and dead-lettered if not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.cluster import Cluster
from shared.contracts.topics import LARGEST_RECORD, Topics
from shared.messaging.core.model import Record, Refusal
from shared.messaging.inbound.deadletters import DeadLetter, DeadLetters
from shared.messaging.kafka.connection import plain
from shared.messaging.kafka.publisher import Publisher
from shared.runtime.clocks import SystemMachineClock
from tests.component.harness import binary, records

BLANKS = b" " * 5_000_000
REFUSAL = Refusal("broken-json", "line 1 column 1")


@pytest.fixture(scope="module")
def producer(cluster: Cluster) -> Producer:
    """A foreign producer that compresses, and has no limit of its own."""
    return Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "compression.type": "gzip",
            "message.max.bytes": 100_000_000,
        }
    )


@pytest.fixture
async def dead_letters(cluster: Cluster, topics: Topics) -> AsyncIterator[DeadLetters]:
    publisher = Publisher(plain(cluster.bootstrap), client_id="test")
    yield DeadLetters(
        service="followups",
        source="urn:peygir:followups",
        topics=topics,
        publisher=publisher,
        clock=SystemMachineClock(),
    )
    await publisher.stop()


def produce(
    producer: Producer,
    topic: str,
    value: bytes | None,
    key: str | None = "r",
    headers: Sequence[tuple[str, bytes]] = (),
) -> int | None:
    """Send one record; return the code of the broker's refusal."""
    answers: list[KafkaError | None] = []

    def heard(error: KafkaError | None, _: Message) -> None:
        answers.append(error)

    producer.produce(topic, value, key, headers=list(headers), on_delivery=heard)
    assert producer.flush(30) == 0
    (error,) = answers
    return None if error is None else error.code()


def open_topic(cluster: Cluster, name: str) -> str:
    """A topic that takes whatever is small while it is compressed."""
    config = {"max.message.bytes": str(LARGEST_RECORD)}
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(timeout=10)
    return name


async def test_megabytes_of_blanks_are_refused_however_they_are_compressed(
    cluster: Cluster, topics: Topics, producer: Producer
) -> None:
    for topic in (topics.resolutions("civil"), topics.sessions, topics.replay("followups")):
        refused = produce(producer, topic, BLANKS)
        assert refused == KafkaError.MSG_SIZE_TOO_LARGE
        assert await records(cluster, topic) == []


async def test_a_compressed_event_is_taken_and_readable(
    cluster: Cluster, topics: Topics, producer: Producer
) -> None:
    topic = topics.resolutions("social")
    value = json.dumps({"title": "پل", "text": " " * 900_000}).encode()
    assert produce(producer, topic, value, headers=binary("ResolutionApproved", "1")) is None
    (found,) = await records(cluster, topic)
    assert (found.key, found.value) == (b"r", value)
    assert found.headers == tuple(binary("ResolutionApproved", "1"))


async def given_up(
    cluster: Cluster, topics: Topics, dead_letters: DeadLetters, *given: Record
) -> list[Record]:
    topic = topics.deadletter("followups")
    before = len(await records(cluster, topic))
    letters = [DeadLetter(record, REFUSAL, 1) for record in given]
    assert not any(await dead_letters.send(letters))
    assert not any(await dead_letters.reject(letters))
    return (await records(cluster, topic))[before:]


async def test_what_fits_in_no_dead_letter_stays_and_its_letter_says_so(
    cluster: Cluster, namespace: str, topics: Topics, producer: Producer, dead_letters: DeadLetters
) -> None:
    topic = open_topic(cluster, f"{namespace}open")
    heads = [*binary("ResolutionApproved", "1"), ("x", b"\xff")]
    assert produce(producer, topic, b"{", headers=heads) is None
    assert produce(producer, topic, BLANKS, headers=heads) is None
    assert produce(producer, topic, b"{", headers=[("x", BLANKS)]) is None
    assert produce(producer, topic, b"{", key=BLANKS.decode()) is None
    given = await records(cluster, topic)

    letters = await given_up(cluster, topics, dead_letters, *given)

    in_their_turn = {int(dict(r.headers)["x-origin-offset"]): r for r in letters}
    whole, without_value, big_headers, big_key = (in_their_turn[n] for n in range(4))
    assert (whole.key, whole.value) == (b"r", b"{")
    assert (without_value.key, without_value.value) == (b"r", None)
    for letter in (whole, without_value):
        assert list(letter.headers[: len(heads)]) == heads
    for letter in (big_headers, big_key):
        assert (letter.key, letter.value) == (b"", None)
        assert next(name for name, _ in letter.headers) == "x-error-type"
    for letter in letters:
        notes = dict(letter.headers)
        assert notes["x-error-type"] == b"broken-json"
        assert notes["x-origin-topic"] == topic.encode()
        stays = letter.value is None
        assert (b"at its origin; " in notes["x-error"] or b"at their" in notes["x-error"]) == stays
        assert notes["x-error"].endswith(b"line 1 column 1")
    rejected = await records(cluster, topics.rejections)
    offsets = {json.loads(r.value)["offset"] for r in rejected if topic.encode() in r.value}
    assert offsets == {0, 1, 2, 3}, "each sender gets a rejection all the same"


async def test_a_record_without_key_and_value_is_given_up_too(
    cluster: Cluster, namespace: str, topics: Topics, producer: Producer, dead_letters: DeadLetters
) -> None:
    topic = open_topic(cluster, f"{namespace}empty")
    assert produce(producer, topic, None, key=None) is None
    (letter,) = await given_up(cluster, topics, dead_letters, *await records(cluster, topic))
    assert letter.value is None

"""What came of the season, gathered from outside: topics, databases and mails, each on its own.

Topics are read by a consumer of the demo's own and parsed by the public contracts alone.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contracts.envelope import CloudEvent, Unreadable, read
from shared.contracts.events import EventData, Invalid, UnknownType, parse
from shared.contracts.topics import Topics
from tools.demo.quiet import Mongo

Document: TypeAlias = Mapping[str, Any]

_COLLECTIONS: Final = ("commits", "followups", "resolutions", "sessions", "expectations", "notices")


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it stands in its topic."""

    topic: str
    partition: int
    offset: int
    key: str
    event: CloudEvent
    data: EventData

    @property
    def name(self) -> str:
        """The event's name without `peygir.` and its version."""
        return type(self.data).__name__


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail as the catcher kept it."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found."""

    records: tuple[Record, ...]  # a partition's in the order of their offsets
    unreadable: tuple[str, ...]  # what could not be parsed, and where
    given_up: tuple[str, ...]  # what stands in a dead-letter, replay or rejections topic
    documents: Mapping[tuple[str, str], Sequence[Document]]  # by database and collection
    mails: tuple[CaughtMail, ...]

    def of(self, kind: type[EventData]) -> list[Record]:
        """The records of one type of event."""
        return [record for record in self.records if isinstance(record.data, kind)]


async def gather(
    consumer: AIOKafkaConsumer, topics: Topics, client: Mongo, mails: Path
) -> Evidence:
    """Read all topics, databases and mails whole. `consumer` is started and in no group.

    Raises KafkaError and the driver's errors.
    """
    aside = {
        spec.name for spec in topics.all() if ".deadletter." in spec.name or ".replay." in spec.name
    } | {topics.rejections}
    records: list[Record] = []
    unreadable: list[str] = []
    given_up: list[str] = []
    for raw in await read_whole(consumer, topics):
        where = f"{raw.topic}/{raw.partition}/{raw.offset}"
        if raw.topic in aside:
            given_up.append(f"{where}: {dict(raw.headers).get('x-error', b'').decode()}")
            continue
        try:
            event = read(raw.headers, raw.value)
            data = parse(event)
        except (Unreadable, UnknownType, Invalid) as error:
            unreadable.append(f"{where}: {error}")
            continue
        key = (raw.key or b"").decode(errors="replace")
        records.append(Record(raw.topic, raw.partition, raw.offset, key, event, data))
    return Evidence(
        records=tuple(records),
        unreadable=tuple(unreadable),
        given_up=tuple(given_up),
        documents=await asyncio.to_thread(_documents, client, topics),
        mails=tuple(await asyncio.to_thread(read_mails, mails)),
    )


async def read_whole(
    consumer: AIOKafkaConsumer, topics: Topics
) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record that stands in any topic now, a partition's in order."""
    partitions = [
        TopicPartition(spec.name, number)
        for spec in topics.all()
        for number in range(spec.partitions)
    ]
    ends = await consumer.end_offsets(partitions)
    filled = [partition for partition in partitions if ends[partition]]
    consumer.assign(filled)
    for partition in filled:
        consumer.seek(partition, 0)
    found: list[ConsumerRecord[bytes, bytes]] = []
    left = set(filled)
    while left:
        for partition, batch in (await consumer.getmany(timeout_ms=500)).items():
            found += [record for record in batch if record.offset < ends[partition]]
        left = {p for p in left if await consumer.position(p) < ends[p]}
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


def _documents(client: Mongo, topics: Topics) -> dict[tuple[str, str], Sequence[Document]]:
    names = ("scheduler", "reports", "notify", *(f"followups_{d}" for d in topics.deputies))
    return {
        (name, collection): list(client[name][collection].find())
        for name in names
        for collection in set(client[name].list_collection_names()).intersection(_COLLECTIONS)
    }


def read_mails(folder: Path) -> list[CaughtMail]:
    """Read a folder of mails as a mail program does, their plain text decoded."""
    found = []
    for file in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        found.append(
            CaughtMail(
                message_id=str(message["Message-ID"] or "").strip(),
                to=tuple(str(address) for address in message.get_all("Delivered-To", [])),
                subject=str(message["Subject"] or ""),
                text="" if body is None else str(body.get_content()),
            )
        )
    return found

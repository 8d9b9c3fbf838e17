"""What came of the season, gathered from outside: topics, HTTP, mails, and the probe's findings.

The topics are read by a consumer of the demo's own, and parsed by the public contracts alone.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contracts.envelope import CloudEvent, Unreadable, read
from shared.contracts.events import EventData, Invalid, UnknownType, parse
from shared.contracts.topics import Topics
from tools.demo.actors import COORDINATION_DESK
from tools.demo.clients import ServiceClients
from tools.demo.quiescence import QuiescenceProbe, StoredState

E = TypeVar("E", bound=EventData)
E_co = TypeVar("E_co", bound=EventData, covariant=True)

_POLL_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Record(Generic[E_co]):
    """A record of a topic, and the event in it."""

    topic: str
    partition: int
    offset: int
    key: str
    event: CloudEvent
    data: E_co

    @property
    def name(self) -> str:
        """The event's name without `peygir.` and its version."""
        return type(self.data).__name__


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail, as the mail catcher kept it."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class ServedState:
    """What the services answer over HTTP, in pairs: an id that comes twice must show as a fault."""

    sessions: tuple[tuple[str, str], ...]  # session id; state
    reports: tuple[tuple[str, tuple[str, int]], ...]  # session id; state and revision, 0 if none
    resolutions: tuple[tuple[str, str], ...]  # resolution id; session id
    notices: tuple[tuple[str, str], ...]  # notice id; state
    scorecards: Mapping[str, Any]  # the body of `/v1/scorecards`


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found."""

    records: tuple[Record[EventData], ...]  # those of a partition in the order of their offsets
    unreadable: tuple[str, ...]  # where a record stands that cannot be parsed, and why
    dead_letters: tuple[str, ...]  # where each dead letter, replayed letter or rejection stands
    mails: tuple[CaughtMail, ...]
    served: ServedState
    stored: StoredState

    def of(self, kind: type[E]) -> list[Record[E]]:
        """Return the records with events of one type."""
        return [cast("Record[E]", r) for r in self.records if isinstance(r.data, kind)]

    def distinct(self, kind: type[E]) -> Iterator[Record[E]]:
        """Yield the records of one type, each `ce_id` once.

        A record may come again. Two different events with one id are found by a check of the
        topics.
        """
        seen: set[str] = set()
        for record in self.records:
            if record.event.id not in seen:
                seen.add(record.event.id)
                if isinstance(record.data, kind):
                    yield cast("Record[E]", record)


async def gather(
    consumer: AIOKafkaConsumer,
    topics: Topics,
    services: ServiceClients,
    probe: QuiescenceProbe,
    mails: Path,
) -> Evidence:
    """Read all of it. `consumer` is started and in no group; `mails` is a folder.

    Raises KafkaError, UnexpectedResponse and the errors of MongoDB's driver.
    """
    aside = {
        spec.name for spec in topics.all() if ".deadletter." in spec.name or ".replay." in spec.name
    } | {topics.rejections}
    records: list[Record[EventData]] = []
    unreadable: list[str] = []
    dead_letters: list[str] = []
    for raw in await read_topics(consumer, topics):
        position = f"{raw.topic}/{raw.partition}/{raw.offset}"
        if raw.topic in aside:
            reason = dict(raw.headers).get("x-error", b"").decode()
            dead_letters.append(f"{position}: {reason}")
            continue
        try:
            event = read(raw.headers, raw.value)
            data = parse(event)
        except (Unreadable, UnknownType, Invalid) as error:
            unreadable.append(f"{position}: {error}")
            continue
        key = (raw.key or b"").decode(errors="replace")
        records.append(Record(raw.topic, raw.partition, raw.offset, key, event, data))
    return Evidence(
        records=tuple(records),
        unreadable=tuple(unreadable),
        dead_letters=tuple(dead_letters),
        mails=tuple(await asyncio.to_thread(read_mails, mails)),
        served=await ask_services(services),
        stored=await asyncio.to_thread(probe.stored),
    )


async def read_topics(
    consumer: AIOKafkaConsumer, topics: Topics
) -> list[ConsumerRecord[bytes, bytes]]:
    """Return every record of every topic, up to where the topics end now. Raises KafkaError."""
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
        for partition, batch in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
            found += [record for record in batch if record.offset < ends[partition]]
        left = {p for p in left if await consumer.position(p) < ends[p]}
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


async def ask_services(services: ServiceClients) -> ServedState:
    """Ask the services for what they have stored. Raises UnexpectedResponse."""
    desk = COORDINATION_DESK
    sessions = await services.list_all("scheduler", "/sessions", desk)
    resolutions = await services.list_all("scheduler", "/resolutions", desk)
    reports = await services.list_all("reports", "/reports", desk)
    expectations = await services.list_all("reports", "/expectations", desk)
    notices = await services.list_all("notify", "/notices", desk)
    revisions = {report["session_id"]: report["revision"] for report in reports}
    return ServedState(
        sessions=tuple((item["session_id"], item["state"]) for item in sessions),
        reports=tuple(
            (item["session_id"], (item["state"], revisions.get(item["session_id"], 0)))
            for item in expectations
        ),
        resolutions=tuple((item["resolution_id"], item["session_id"]) for item in resolutions),
        notices=tuple((item["notice_id"], item["state"]) for item in notices),
        scorecards=await services.get("followups", "/scorecards", desk),
    )


def read_mails(folder: Path) -> list[CaughtMail]:
    """Read a folder of mails as a mail program does, with their plain text decoded."""
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

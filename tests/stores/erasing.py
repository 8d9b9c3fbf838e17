"""An installation whose texts and files are erased, copied and restored."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from deploy.local.cluster import Cluster
from services.followups.domain.records import Followup
from services.followups.store import MongoFollowupRepository
from services.reports import handlers
from services.reports.api.schemas import whole_report
from services.reports.domain.records import Expectation, Paragraph, Session
from services.reports.handlers import Change
from services.reports.handlers.commands import ReportCommand
from services.reports.store import MongoExpectationRepository
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock, milliseconds
from shared.runtime.commands import Command
from shared.runtime.files import CHUNK_BYTES, Uploads
from shared.runtime.idempotent_replies import Keyed, Reply
from shared.runtime.principals import Principal
from tests.stores.followups import new
from tests.stores.test_evidence import Shelf, a_file
from tests.unit.reports.builders import (
    BEFORE,
    COORDINATION,
    KHORASAN,
    RECEPTION,
    SESSION,
    awaited,
    submission,
)
from tools.erase.databases import Databases
from tools.erase.erasures import Erasure, Order
from tools.erase.planning import Found, Recorded, plan

CAUSE = CommitContext("request", "c.ahmadi")
SESSION_ID = "1402-IR-09"
WRITES = ("update_one", "find_one_and_update", "delete_many")


def now() -> datetime:
    return milliseconds(datetime.now(UTC))


@dataclass
class Installation:
    """The databases of a namespace, with the journal of what was erased there."""

    client: MongoClient[dict[str, Any]]
    namespace: str
    journal: list[Erasure] = field(default_factory=list)

    @property
    def databases(self) -> Databases:
        return Databases(self.client, ["civil", "social"], self.namespace)

    def erase(self, found: Sequence[Found], season: str | None = None) -> None:
        """As the command does."""
        there = self.databases
        todo = plan(found, there.recorded())
        for erasure in todo.unfinished:
            there.erase(erasure, now())
        for one in todo.new:
            order = Order(now(), "c.ahmadi", "پایان فصل", season)
            self.journal.append(Erasure(uuid.uuid4().hex, order, one.subject))
            there.erase(self.journal[-1], now())

    def again(self) -> None:
        for erasure in self.journal:
            self.databases.erase(erasure, now())

    def names(self) -> list[str]:
        return [n for n in self.client.list_database_names() if n.startswith(self.namespace)]

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every document of every collection, by its place."""
        return {
            f"{name}/{collection}": list(self.client[name][collection].find())
            for name in self.names()
            for collection in self.client[name].list_collection_names()
        }

    def restore(self, copy: dict[str, list[dict[str, Any]]]) -> None:
        for place in self.everything().keys() | copy.keys():
            name, _, collection = place.partition("/")
            self.client[name][collection].delete_many({})
            if copy.get(place):
                self.client[name][collection].insert_many(copy[place])

    def holding(self, *texts: str | bytes) -> list[str]:
        """The collections that hold any of the texts, anywhere in a document."""
        wanted = [text.encode() if isinstance(text, str) else text for text in texts]
        return [
            place
            for place, documents in self.everything().items()
            if any(text in bson.encode(document) for document in documents for text in wanted)
        ]


@asynccontextmanager
async def installed(cluster: Cluster) -> AsyncIterator[tuple[Installation, mongo.Client]]:
    namespace, motor = f"t{uuid.uuid4().hex[:8]}", mongo.connect(cluster.mongodb_uri, app="tests")
    with MongoClient[dict[str, Any]](cluster.mongodb_uri) as client:
        made = Installation(client, namespace)
        yield made, motor
        for name in made.names():
            client.drop_database(name)
    motor.close()


# -- reports ------------------------------------------------------------------------------------


@dataclass
class Reception:
    """The service's store, and the texts that were ever sent."""

    store: MongoExpectationRepository
    sent: list[str] = field(default_factory=list)
    replies: int = 0

    def _reply(self, after: Expectation) -> Reply:
        self.replies += 1
        body = whole_report(after, COORDINATION).model_dump_json().encode()
        return Reply(Keyed(f"key {uuid.uuid4()}", "f"), 201, (), body)

    def _command(self, session_id: str, by: Principal) -> ReportCommand:
        return Command(session_id, self.store, RECEPTION, by, BEFORE, None, self._reply)

    async def announce(self, *session_ids: str, session: Session = SESSION) -> None:
        new = [replace(awaited(session), session_id=id_) for id_ in session_ids]
        await self.store.save([Change(None, one, []) for one in new], CAUSE)

    async def submit(self, session_id: str = SESSION_ID) -> Expectation:
        self.sent += (texts := [f"متن {uuid.uuid4()}" for _ in range(4)])
        answers = {"crisis": {"relief": texts[0]}, "security": {"borders": texts[1]}}
        paragraphs = {
            "initiatives": (Paragraph("ابتکار", texts[2]),),
            "special_topics": (Paragraph(texts[3], ""),) * 2,
        }
        sent = submission(answers=answers, **paragraphs)
        return await handlers.submit_report(self._command(session_id, KHORASAN), sent)

    async def distribute(self, session_id: str = SESSION_ID) -> Expectation:
        return await handlers.distribute_report(self._command(session_id, COORDINATION))


async def a_reception(motor: mongo.Client, namespace: str) -> Reception:
    database = mongo.database(motor, f"{namespace}reports")
    store = MongoExpectationRepository(Ledger(database, clock=SystemMachineClock()))
    await store.prepare()
    return Reception(store)


# -- files --------------------------------------------------------------------------------------


async def a_shelf(motor: mongo.Client, namespace: str, deputy: str) -> Shelf:
    database = mongo.database(motor, f"{namespace}followups_{deputy}")
    store = MongoFollowupRepository(Ledger(database, clock=SystemMachineClock()), deputy)
    await store.prepare()
    return Shelf(store, Uploads(store.files, SystemMachineClock(), 60))


def content(mark: bytes) -> bytes:
    """Three pieces, each with the mark."""
    return (mark + bytes(CHUNK_BYTES - len(mark))) * 2 + mark


async def put(shelf: Shelf, resolution_id: str, mark: bytes, **changes: Any) -> Followup:
    first = new(resolution_id, **changes)
    await shelf.store.save([first], CAUSE)
    return await shelf.put(first.after, content(mark))


def id_of(mark: bytes) -> str:
    return a_file(content(mark)).evidence_id


@dataclass
class Archive:
    """A follow-up that has moved with its file, and another."""

    there: Installation
    motor: mongo.Client
    civil: Shelf
    social: Shelf
    moved: Followup
    other: Followup


MARK, OTHER = b"the pages that have to be forgotten", b"pages that stay"


@asynccontextmanager
async def an_archive(cluster: Cluster, season: str = "1402") -> AsyncIterator[Archive]:
    async with installed(cluster) as (there, motor):
        civil = await a_shelf(motor, there.namespace, "civil")
        social = await a_shelf(motor, there.namespace, "social")
        session_id = f"{season}-IR-09"
        moved = await put(civil, "R-1", MARK, session_id=session_id)
        other = await put(civil, "R-2", OTHER, session_id="1401-IR-09")
        # As a move leaves it: the file in both databases, the follow-up of the giver elsewhere.
        await put(social, "R-1", MARK, session_id=session_id, deputy="social")
        database = there.client[f"{there.namespace}followups_civil"]
        left = database["followups"].find_one_and_delete({"_id": moved.followup_id})
        assert left is not None
        database["elsewhere"].insert_one(left)
        sessions = there.client[f"{there.namespace}scheduler"]["sessions"]
        sessions.insert_many(
            [{"_id": session_id, "season": season}, {"_id": "1401-IR-09", "season": "1401"}]
        )
        yield Archive(there, motor, civil, social, moved, other)


# -- what breaks off ----------------------------------------------------------------------------


@contextmanager
def broken_off(after: int) -> Iterator[None]:
    """The connection ends after so many writes; the last of them is made all the same."""
    made = 0

    def breaking(write: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            result = write(*arguments, **options)
            made += 1
            if made > after:
                raise AutoReconnect("gone")
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(Collection, name, breaking(getattr(Collection, name)))
        yield


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both hold the same documents, but for when an erasure was done."""

    def comparable(everything: dict[str, Any]) -> dict[str, str]:
        return {
            place: hashlib.sha256(
                json.dumps(
                    sorted(
                        json.dumps({k: v for k, v in d.items() if k != "done_at"}, default=repr)
                        for d in documents
                    )
                ).encode()
            ).hexdigest()
            for place, documents in everything.items()
            if documents
        }

    return comparable(one) == comparable(other)


def recorded(there: Installation) -> list[Recorded]:
    """Every erasure on record."""
    return [record for records in there.databases.recorded().values() for record in records]

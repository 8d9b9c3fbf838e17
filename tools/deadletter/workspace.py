"""What an operator works with on the dead letters of one service: list, find, mend, discard."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from shared.contracts.services import ServiceName
from shared.contracts.topics import Topics
from shared.messaging.core.model import Origin
from shared.messaging.kafka.connection import connection_of
from shared.messaging.kafka.publisher import Publisher
from shared.runtime import mongo
from shared.runtime.clocks import MachineClock, SystemMachineClock
from tools.asking import ApiSettings, ToolSettings
from tools.deadletter import mending
from tools.deadletter.dead_letters import DeadLetterNotes
from tools.deadletter.grouping import TriagedLetter, with_triage
from tools.deadletter.replayer import Replayer, message_to_send
from tools.deadletter.service_client import ServiceClient, ServiceUnavailable
from tools.deadletter.topic import DeadLetterTopic, UnknownDeadLetter
from tools.deadletter.triage import (
    DATABASE,
    MENDABLE,
    MessageContent,
    OperatorAction,
    Triage,
    TriageRepository,
    TriageStatus,
    conflict_with,
)


class DeadletterSettings(ApiSettings, ToolSettings):
    """Settings of the tool."""


@dataclass(frozen=True, slots=True)
class DeadLetterWorkspace:
    """The dead letters of one service, with what is needed to work on them."""

    topics: Topics
    service_name: str
    namespace: str
    dead_letters: DeadLetterTopic
    triages: TriageRepository
    service: ServiceClient
    publisher: Publisher
    clock: MachineClock
    who: str

    async def list(self) -> list[TriagedLetter]:
        """Return every dead letter once, the newest first.

        For each replay without an answer it asks the service again.
        """
        found = with_triage(await self.dead_letters.read_notes(), await self.triages.find_all())
        replayer = self.replayer(0)
        return [await _refreshed(triaged, replayer) for triaged in found]

    async def find(self, origin: Origin) -> tuple[DeadLetterNotes, Triage]:
        """Return the notes and the triage of one dead letter. Raises UnknownDeadLetter."""
        notes = (await self.dead_letters.read_notes()).get(origin)
        if notes is None:
            raise UnknownDeadLetter(f"{self.service_name} has no dead letter of that origin")
        triage = (await self.triages.find(origin)).with_notes(notes)
        refreshed = await _refreshed(TriagedLetter(notes, triage), self.replayer(0))
        return notes, refreshed.triage

    async def mend(
        self,
        origin: Origin,
        change: Callable[[MessageContent], MessageContent],
        why: str,
        revision: int | None,
    ) -> Triage:
        """Store a mended message, to be sent instead of the original.

        `revision` is the one that the operator saw; it is needed to mend a mended message again.
        Raises NotMendable, TriageConflict and UnknownDeadLetter.
        """
        notes, before = await self.find(origin)
        _check(before, revision)
        letter = await self.dead_letters.read(notes)
        old = message_to_send(letter, before)
        new = mending.with_provenance(change(old), origin, str(uuid.uuid4()), self.who, why)
        diff = mending.message_diff(old, new)
        action = OperatorAction("mended", self.who, self.clock.now(), why, diff)
        after = replace(
            before,
            status=TriageStatus.MENDED,
            mended_message=new,
            refusal="",
            actions=(*before.actions, action),
        )
        return await self.triages.update(before, after)

    async def discard(self, origin: Origin, why: str, revision: int | None) -> Triage:
        """Decide that a dead letter is never sent. Raises TriageConflict and UnknownDeadLetter."""
        _, before = await self.find(origin)
        _check(before, revision)
        action = OperatorAction("discarded", self.who, self.clock.now(), why)
        after = replace(before, status=TriageStatus.DISCARDED, actions=(*before.actions, action))
        return await self.triages.update(before, after)

    def replayer(self, timeout_seconds: float) -> Replayer:
        """Return what sends dead letters back and waits that long for each answer."""
        return Replayer(
            topic=self.topics.replay(self.service_name),
            dead_letters=self.dead_letters,
            publisher=self.publisher,
            service=self.service,
            triages=self.triages,
            clock=self.clock,
            who=self.who,
            timeout_seconds=timeout_seconds,
        )


@asynccontextmanager
async def open_workspace(
    settings: DeadletterSettings, service: ServiceName, who: str
) -> AsyncIterator[DeadLetterWorkspace]:
    """Connect to the topic, the database and the service; close all at the end.

    Raises KafkaError if Kafka does not answer, ServiceUnavailable for a wrong PEYGIR_API_CA_FILE.
    """
    client = mongo.connect(settings.mongodb_address(), app="deadletter")
    topics = Topics(settings.known_deputies, settings.namespace)
    kafka = connection_of(settings)
    publisher = Publisher(kafka, client_id="deadletter")
    async with AsyncExitStack() as stack:
        stack.callback(client.close)
        stack.push_async_callback(publisher.stop)
        api = await stack.enter_async_context(
            ServiceClient(settings.api_of(service), who, settings)
        )
        dead_letters = await stack.enter_async_context(
            DeadLetterTopic(kafka, topics.deadletter(service))
        )
        database = mongo.database(client, settings.namespace + DATABASE)
        yield DeadLetterWorkspace(
            topics=topics,
            service_name=service,
            namespace=settings.namespace,
            dead_letters=dead_letters,
            triages=TriageRepository(database, service),
            service=api,
            publisher=publisher,
            clock=SystemMachineClock(),
            who=who,
        )


def select_named(
    found: Sequence[TriagedLetter], origins: Sequence[Origin]
) -> list[DeadLetterNotes]:
    """Return the notes of the named dead letters, in that order. Raises UnknownDeadLetter."""
    known = {triaged.notes.origin: triaged.notes for triaged in found}
    for origin in origins:
        if origin not in known:
            raise UnknownDeadLetter(f"there is no dead letter of {origin}")
    return [known[origin] for origin in origins]


def _check(triage: Triage, revision: int | None) -> None:
    """Raise TriageConflict unless the operator may mend or discard the dead letter.

    A mended one may be changed only by an operator who gives its revision.
    """
    if revision is not None and revision != triage.revision:
        raise conflict_with(triage)
    is_known = revision is not None and triage.status is TriageStatus.MENDED
    if triage.status not in MENDABLE and not is_known:
        raise conflict_with(triage)


async def _refreshed(triaged: TriagedLetter, replayer: Replayer) -> TriagedLetter:
    try:
        return TriagedLetter(triaged.notes, await replayer.refresh(triaged.triage))
    except ServiceUnavailable:  # the list is useful without it; the replay has no answer yet
        return triaged

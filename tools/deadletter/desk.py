"""An operator's desk: topic, book and service of one set of letters, opened together."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from shared.contracts.services import ServiceName
from shared.contracts.topics import Topics
from shared.messaging.core.model import Origin
from shared.messaging.kafka.publisher import Publisher
from shared.runtime import mongo
from shared.runtime.clocks import MachineClock, SystemMachineClock
from tools.asking import ApiSettings
from tools.deadletter import book as books
from tools.deadletter import mending
from tools.deadletter.book import MENDABLE, Book, Deed, Mended, Page, Status, moved
from tools.deadletter.grouping import Entry, entries
from tools.deadletter.letters import Letter, Notes
from tools.deadletter.replaying import Replaying
from tools.deadletter.service import NoService, Service
from tools.deadletter.topic import DeadLetterTopic, UnknownLetter


class DeadletterSettings(ApiSettings):
    """Settings of the tool."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What one command works with."""

    topics: Topics
    name: str  # of the service
    namespace: str
    letters: DeadLetterTopic
    book: Book
    service: Service
    publisher: Publisher
    clock: MachineClock
    who: str

    async def list(self) -> list[Entry]:
        """Every letter once, the newest first; what has no answer yet is asked for."""
        found = entries(await self.letters.all(), await self.book.statuses())
        replaying = self.replaying(0)
        return [await _settled(entry, replaying) for entry in found]

    async def find(self, origin: Origin) -> tuple[Notes, Page]:
        """One letter's notes and page. Raises UnknownLetter."""
        notes = (await self.letters.all()).get(origin)
        if notes is None:
            raise UnknownLetter(f"{self.name} has no dead letter of that origin")
        page = (await self.book.page(origin)).seen_with(notes)
        return notes, (await _settled(Entry(notes, page), self.replaying(0))).page

    async def mend(
        self,
        origin: Origin,
        change: Callable[[Mended], Mended],
        why: str,
        revision: int | None,
    ) -> Page:
        """Put a mended message in the original's place. Raises NotMendable, Moved."""
        notes, before = await self.find(origin)
        _check(before, revision)
        letter = await self.letters.letter(notes)
        old = message(letter, before)
        new = mending.signed(change(old), origin, str(uuid.uuid4()), self.who, why)
        difference = mending.difference(old, new)
        deed = Deed("mended", self.who, self.clock.now(), why, difference)
        after = replace(
            before, status=Status.MENDED, mended=new, told="", deeds=(*before.deeds, deed)
        )
        return await self.book.turn(before, after)

    async def discard(self, origin: Origin, why: str, revision: int | None) -> Page:
        """Decide that a letter is never sent. Raises Moved."""
        _, before = await self.find(origin)
        _check(before, revision)
        deed = Deed("discarded", self.who, self.clock.now(), why)
        after = replace(before, status=Status.DISCARDED, deeds=(*before.deeds, deed))
        return await self.book.turn(before, after)

    def replaying(self, timeout_seconds: float) -> Replaying:
        """The way back of this service's letters."""
        return Replaying(
            topic=self.topics.replay(self.name),
            letters=self.letters,
            publisher=self.publisher,
            service=self.service,
            book=self.book,
            clock=self.clock,
            who=self.who,
            timeout_seconds=timeout_seconds,
        )


def message(letter: Letter, page: Page) -> Mended:
    """The message that would be sent: the mended one if there is one."""
    return page.mended or Mended(letter.value, letter.headers)


@asynccontextmanager
async def opened(
    settings: DeadletterSettings, service: ServiceName, who: str
) -> AsyncIterator[Desk]:
    """A desk, with its connections. Raises KafkaError if Kafka does not answer."""
    client = mongo.connect(settings.mongodb_uri.get_secret_value(), app="deadletter")
    topics = Topics(settings.known_deputies, settings.namespace)
    publisher = Publisher(settings.kafka_bootstrap_servers, client_id="deadletter")
    async with AsyncExitStack() as stack:
        stack.callback(client.close)
        stack.push_async_callback(publisher.stop)
        api = await stack.enter_async_context(Service(settings.api_of(service), who))
        letters = await stack.enter_async_context(
            DeadLetterTopic(settings.kafka_bootstrap_servers, topics.deadletter(service))
        )
        database = mongo.database(client, settings.namespace + books.DATABASE)
        yield Desk(
            topics=topics,
            name=service,
            namespace=settings.namespace,
            letters=letters,
            book=Book(database, service),
            service=api,
            publisher=publisher,
            clock=SystemMachineClock(),
            who=who,
        )


def chosen(found: Sequence[Entry], origins: Sequence[Origin]) -> list[Notes]:
    """The named letters, in the order given. Raises UnknownLetter."""
    known = {entry.notes.origin: entry.notes for entry in found}
    for origin in origins:
        if origin not in known:
            raise UnknownLetter(f"there is no dead letter of {origin}")
    return [known[origin] for origin in origins]


def _check(page: Page, revision: int | None) -> None:
    """Raise Moved unless a letter may be mended or discarded at the known revision."""
    if revision is not None and revision != page.revision:
        raise moved(page)
    known = revision is not None and page.status is Status.MENDED
    if page.status not in MENDABLE and not known:
        raise moved(page)


async def _settled(entry: Entry, replaying: Replaying) -> Entry:
    try:
        return Entry(entry.notes, await replaying.settle(entry.page))
    except NoService:  # the list is of use without it: the letter has no answer yet
        return entry

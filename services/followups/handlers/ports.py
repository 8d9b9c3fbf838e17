"""What the handlers need from outside (stores, uploads, spreadsheets), and what they save."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Protocol, Self

from services.followups.domain.absences import Absence
from services.followups.domain.bulk import Column, Edit
from services.followups.domain.escalation import EscalationPolicy
from services.followups.domain.records import EvidenceAdded, Followup
from shared.messaging.core.model import CommitContext, Entry, Event
from shared.runtime.list_queries import ListQuery
from shared.runtime.uploads import ReceivedFile


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """The settings of one deputy's follow-ups: the escalation rules, and the topics of events."""

    deputy: str
    escalation: EscalationPolicy
    topic: str  # of this deputy's events
    scheduler: str  # ce_source of the scheduler, which may amend what others approved
    resolutions_of: Callable[[str], str]  # the topic of a deputy's resolutions


class UnknownFollowup(Exception):
    """No follow-up has this id."""


@dataclass(frozen=True, slots=True)
class Change:
    """A follow-up's step from one version to a later one."""

    before: Followup | None  # None: it is new
    after: Followup
    events: Sequence[Event]
    next_alert: datetime | None  # UTC; None: nothing is due
    inbox: Sequence[str] = ()  # ids of incoming events whose effect does not show in the follow-up
    passed: Sequence[Followup] = ()  # the versions between `before` and `after`
    files: Sequence[ReceivedFile] = ()  # uploads that are kept with this change
    history: Sequence[Entry] = ()  # its history at another deputy, if it comes from there

    def steps(self) -> Iterable[tuple[Followup | None, Followup]]:
        """Return each pair of successive versions."""
        return zip((self.before, *self.passed), (*self.passed, self.after), strict=True)


@dataclass(frozen=True, slots=True)
class Ahead:
    """The follow-ups that some resolutions lead to: their own, those of their predecessors, etc.

    This is valid until a link is added or a linked follow-up moves. `links` is the number of
    links at the time of reading; a higher number means that this is out of date.
    """

    links: int
    followups: Sequence[Followup]


class UnknownAbsence(Exception):
    """No absence of the deputy has this id."""


@dataclass(frozen=True, slots=True)
class AbsenceChange:
    """The step of an absence from one version to a later one."""

    before: Absence | None  # None: it is new
    after: Absence
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class KnownAbsences:
    """The absences of a deputy on which a further one is decided, valid until one is declared."""

    turn: int  # the number of absences that were declared before
    absences: Sequence[Absence]


class AbsenceRepository(Protocol):
    """The absences of one deputy."""

    async def get(self, absence_id: str) -> Absence | None:
        """Return one, or None if it does not exist."""
        ...

    async def known(self, since: date) -> KnownAbsences:
        """Return those that were not ended and last until a day (Asia/Tehran) or longer."""
        ...

    async def of_substitute(self, user: str, on: date) -> Sequence[Absence]:
        """Return those with this substitute that have a day (Asia/Tehran), ended ones included."""
        ...

    async def page(self, query: ListQuery) -> Sequence[Absence]:
        """Return one page of the list."""
        ...

    async def save(
        self, changes: Sequence[AbsenceChange], cause: CommitContext, turn: int | None = None
    ) -> None:
        """Save all changes with their cause in one transaction, or nothing.

        `turn`: of what a declaration was decided on. Raises Stale if an absence has changed since
        it was read or another one was declared, and whatever the cause's conditions raise.
        """
        ...


class FollowupRepository(Protocol):
    """The store of one deputy's follow-ups, as all handlers use it."""

    @property
    def absences(self) -> AbsenceRepository:
        """The absences of the same deputy."""
        ...

    async def of_resolutions(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist, by resolution id."""
        ...

    async def moved_out(self, resolution_ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that have moved to another deputy, as they left, by resolution id."""
        ...

    async def here_or_moved_out(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist here, or as they were when they left, by follow-up id."""
        ...

    async def get(self, followup_id: str) -> Followup | None:
        """Return one, or None if it does not exist."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Followup]:
        """Return those whose next alert is at or before `now` (UTC), the earliest first."""
        ...

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        """Return the inbox ids among these whose events were applied."""
        ...

    async def waited_for(self, ids: Collection[str]) -> Collection[str]:
        """Return the resolution ids among these for which deferred messages wait."""
        ...

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        """Return the follow-ups that these resolutions lead to, of all deputies."""
        ...

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        """Save all changes with their cause in one transaction, or nothing.

        `ahead` is what a link was decided on. Raises Stale if a follow-up has changed since it
        was read or `ahead` is out of date, and whatever the cause's conditions raise.
        """
        ...


# -- evidence -----------------------------------------------------------------------------------


class Upload(Protocol):
    """A file that is being received."""

    @property
    def id(self) -> str:
        """The id of this upload."""
        ...

    @property
    def size(self) -> int:
        """The number of bytes received so far."""
        ...

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes received so far, in hexadecimal."""
        ...

    async def write(self, data: bytes) -> None:
        """Append the next bytes."""
        ...

    async def finish(self) -> None:
        """Mark the file as complete."""
        ...


class Uploads(Protocol):
    """Receives the files of one deputy."""

    def receive(self) -> AbstractAsyncContextManager[Upload]:
        """Begin an upload; on exit it is removed, unless a saved change has kept it."""
        ...


class EvidencedFollowups(FollowupRepository, Protocol):
    """A store that also holds the files of evidence."""

    async def content(self, piece: EvidenceAdded) -> AsyncIterator[bytes] | None:
        """Return the bytes of a file of evidence, or None if they are lost."""
        ...


# -- moves --------------------------------------------------------------------------------------


class MovableFollowups(EvidencedFollowups, Protocol):
    """A store from which follow-ups can move to the store of another deputy."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]: ...
    async def history(self, followup_id: str) -> Sequence[Entry]: ...

    async def hand_over(
        self,
        leaving: Sequence[Change],
        taker: Self,
        arriving: Sequence[Change],
        cause: CommitContext,
        ahead: Ahead | None = None,
    ) -> None:
        """Save what leaves this store and what arrives at `taker` in one transaction, or nothing.

        `ahead` is what the move was decided on. Raises Stale if a follow-up has changed since it
        was read, or if `ahead` is out of date.
        """
        ...


class MoveEnd(Protocol):
    """One side of a move: the deputy who gives follow-ups away, or the one who takes them."""

    @property
    def store(self) -> MovableFollowups: ...
    @property
    def context(self) -> HandlerContext: ...
    @property
    def uploads(self) -> Uploads: ...


# -- spreadsheets -------------------------------------------------------------------------------


class ManyFollowups(FollowupRepository, Protocol):
    """A store that returns many follow-ups by their ids."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist, by their ids."""
        ...


class SheetWriter(Protocol):
    """A sheet that is being written."""

    def add(self, followups: Sequence[Followup]) -> None:
        """Write one row per follow-up. Blocks."""
        ...

    def finish(self) -> BinaryIO:
        """Return the whole file, positioned at its start; the caller closes it. Blocks."""
        ...

    def close(self) -> None:
        """Remove temporary files, whether the sheet is finished or not."""
        ...


class Sheets(Protocol):
    """Writes follow-ups to spreadsheets, and reads what people wrote there."""

    media_type: str
    suffix: str
    titles: Mapping[Column, str]  # of the columns, as people see them

    def write(self) -> SheetWriter:
        """Begin a sheet."""
        ...

    def read(self, file: BinaryIO) -> list[Edit]:
        """Return what people wrote, row by row. Blocks. Raises NoSheet and BadSheet."""
        ...


class NoSheet(Exception):
    """A file is not a readable spreadsheet, or is unsafe to read; the message says why."""

"""Reports of many follow-ups at once: load all, decide each row by itself, save."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal, Protocol, TypeAlias

from services.followups.domain import bulk
from services.followups.domain.bulk import Column, Edit, Merged, Row
from services.followups.domain.records import Followup
from services.followups.handlers.ports import Change, FollowupRepository, HandlerContext, changed
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused

ROWS_A_COMMIT: Final = 500  # where each row stands for itself
MOST_TOGETHER: Final = 5_000  # of one deputy, where all stand together: a transaction has seconds

Outcome: TypeAlias = Literal["applied", "unchanged", "refused"]


class ManyFollowups(FollowupRepository, Protocol):
    """What is needed of the store besides what all handlers do."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist, by their ids."""
        ...


class SheetWriter(Protocol):
    """A sheet while it is written."""

    def add(self, followups: Sequence[Followup]) -> None:
        """Write a row each. Blocks."""
        ...

    def finish(self) -> BinaryIO:
        """The whole file, from its beginning, to be closed by whoever takes it. Blocks."""
        ...

    def close(self) -> None:
        """Leave nothing behind, finished or not."""
        ...


class Sheets(Protocol):
    """How follow-ups get into a spreadsheet, and what people wrote there out of it."""

    media_type: str
    suffix: str

    def write(self) -> SheetWriter:
        """Begin a sheet."""
        ...

    def rows(self, file: BinaryIO) -> Generator[Row | Merged, None, None]:
        """The rows of a sheet that are not empty, titles first, all of one length. Blocks.

        After them the cells that are merged. Raises NoSheet.
        """
        ...


class NoSheet(Exception):
    """A file is no spreadsheet that can be read, or not one to be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a row."""

    row: int
    followup_id: str
    outcome: Outcome
    column: Column | None = None  # that a refusal is about
    error: str | None = None  # its slug
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What is to become of those rows whose follow-ups are here."""

    lines: Sequence[Line]
    changes: Sequence[Change]

    @property
    def is_refused(self) -> bool:
        return any(line.outcome == "refused" for line in self.lines)


FAULTS: Final = 1_000
"""So many faults of a sheet are named, of however many."""


def read(rows: Iterator[Row | Merged]) -> list[Edit]:
    """What people wrote into a sheet, row by row; its first row has the titles.

    Raises BadSheet, and NoSheet.
    """
    titles = next(rows, None)
    columns = bulk.columns_of(
        *((1, ()) if titles is None or isinstance(titles, Merged) else titles)
    )
    edits: list[Edit] = []
    faults: list[bulk.Fault] = []
    for row in rows:
        if isinstance(row, Merged):
            faults += bulk.merged(columns, row, edits)
            continue
        number, cells = row
        if len(edits) == bulk.MOST_ROWS:
            told = f"a sheet has at most {bulk.MOST_ROWS} rows below its titles"
            raise bulk.BadSheet([bulk.Fault(number, None, "too-many-rows", told)])
        named = {c: cell for c, cell in zip(columns, cells, strict=True) if c is not None}
        try:
            edits.append(bulk.read_row(number, named))
        except bulk.BadSheet as bad:
            faults += bad.faults
        if len(faults) >= FAULTS:
            break
    faults += bulk.doubles(edits)
    if faults:
        raise bulk.BadSheet(faults[:FAULTS])
    return edits


async def check(
    edits: Sequence[Edit],
    store: ManyFollowups,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None,
) -> Checked:
    """Decide every row whose follow-up is here, and save nothing."""
    known = await store.of_ids([edit.followup_id for edit in edits])
    lines: list[Line] = []
    changes: list[Change] = []
    for edit in edits:
        before = known.get(edit.followup_id)
        if before is None:
            continue
        try:
            facts = bulk.decide(before, edit, by, now)
        except Refused as refused:
            column = bulk.column_of(refused, edit)
            lines.append(refusal(edit, refused.reason, str(refused), column))
            continue
        lines.append(Line(edit.row, edit.followup_id, "applied" if facts else "unchanged"))
        if facts:
            changes.append(changed(before, facts, context, trace))
    return Checked(lines, changes)


async def foresee(
    edits: Sequence[Edit],
    store: ManyFollowups,
    context: HandlerContext,
    by: Principal,
    now: datetime,
) -> list[Line]:
    """What would become of every row whose follow-up is here, a part of them after the other."""
    lines: list[Line] = []
    for part in _parts(edits, ROWS_A_COMMIT):
        lines += (await check(part, store, context, by, now, None)).lines
    return lines


async def apply(
    edits: Sequence[Edit],
    store: ManyFollowups,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None,
    *,
    together: bool,
    reply: Replying[Sequence[Line]] = no_reply,
) -> Sequence[Line]:
    """Decide the rows anew and save what comes of them, each time with a reply about those rows.

    `together`: all in one transaction, or none where one is refused now. Else in several, and each
    row for itself.
    """

    async def some(edits: Sequence[Edit]) -> Sequence[Line]:
        async def once() -> Sequence[Line]:
            checked = await check(edits, store, context, by, now, trace)
            if together and checked.is_refused:
                return [_with_others(line) for line in checked.lines]
            if checked.changes:
                await store.save(checked.changes, requested(by, reply(checked.lines)))
            return checked.lines

        try:
            return await retry_on_conflict(once)
        except Stale:
            told = "others change the same at this moment; try again"
            return [refusal(edit, "busy", told) for edit in edits]

    lines: list[Line] = []
    for part in _parts(edits, max(1, len(edits)) if together else ROWS_A_COMMIT):
        lines += await some(part)
    return lines


def refusal(edit: Edit, error: str, message: str, column: Column | None = None) -> Line:
    """A row that is not applied."""
    return Line(edit.row, edit.followup_id, "refused", column, error, message)


def _parts(edits: Sequence[Edit], size: int) -> Iterator[Sequence[Edit]]:
    for start in range(0, len(edits), size):
        yield edits[start : start + size]


def _with_others(line: Line) -> Line:
    if line.outcome != "applied":
        return line
    told = "another row of this deputy was refused"
    return Line(line.row, line.followup_id, "refused", None, "with-others", told)

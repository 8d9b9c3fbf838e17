"""Reports about many follow-ups at once: load all, decide each row by itself, save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from services.followups.domain import bulk
from services.followups.domain.bulk import Column, Edit
from services.followups.domain.visibility import sees
from services.followups.handlers.drafts import changed
from services.followups.handlers.ports import Change, HandlerContext, ManyFollowups
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import requested
from shared.runtime.access import Action, reach
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused

ROWS_PER_COMMIT: Final = 500  # if each row is applied independently of the others
MOST_TOGETHER: Final = 5_000  # rows of one deputy in one transaction, which has only seconds

Outcome: TypeAlias = Literal["applied", "unchanged", "refused"]


@dataclass(frozen=True, slots=True)
class Line:
    """The result for one row."""

    row: int
    followup_id: str
    outcome: Outcome
    column: Column | None = None  # the one that a refusal is about
    error: str | None = None  # its slug
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The decisions about those rows whose follow-ups are in one store, not saved yet."""

    lines: Sequence[Line]
    changes: Sequence[Change]

    @property
    def is_refused(self) -> bool:
        return any(line.outcome == "refused" for line in self.lines)


async def check(
    edits: Sequence[Edit],
    store: ManyFollowups,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None,
) -> Checked:
    """Decide every row whose follow-up is in this store and may be seen, and save nothing."""
    known = await store.of_ids([edit.followup_id for edit in edits])
    read = reach(by, Action.READ_FOLLOWUPS)
    lines: list[Line] = []
    changes: list[Change] = []
    for edit in edits:
        before = known.get(edit.followup_id)
        if before is None or not sees(read, before, now):
            continue
        try:
            facts = bulk.decide(before, edit, by, now)
        except Refused as refused:
            column = bulk.column_of(refused, edit)
            lines.append(refusal(edit, refused.reason, str(refused), column))
            continue
        lines.append(Line(edit.row, edit.followup_id, "applied" if facts else "unchanged"))
        if facts:
            changes.append(changed(before, facts, context, trace, by))
    return Checked(lines, changes)


async def foresee(
    edits: Sequence[Edit],
    store: ManyFollowups,
    context: HandlerContext,
    by: Principal,
    now: datetime,
) -> list[Line]:
    """Return what `apply` would do with every row whose follow-up is in this store."""
    lines: list[Line] = []
    for part in _parts(edits, ROWS_PER_COMMIT):
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
    """Decide the rows again and save the changes, each commit with a reply about its rows.

    `together`: all rows in one transaction, or none if one is refused. Otherwise in several
    transactions, and each row independently.
    """

    async def apply_part(edits: Sequence[Edit]) -> Sequence[Line]:
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
            message = "others change the same at this moment; try again"
            return [refusal(edit, "busy", message) for edit in edits]

    lines: list[Line] = []
    for part in _parts(edits, max(1, len(edits)) if together else ROWS_PER_COMMIT):
        lines += await apply_part(part)
    return lines


def refusal(edit: Edit, error: str, message: str, column: Column | None = None) -> Line:
    """Return the result for a row that is not applied."""
    return Line(edit.row, edit.followup_id, "refused", column, error, message)


def _parts(edits: Sequence[Edit], size: int) -> Iterator[Sequence[Edit]]:
    for start in range(0, len(edits), size):
        yield edits[start : start + size]


def _with_others(line: Line) -> Line:
    if line.outcome != "applied":
        return line
    message = "another row of this deputy was refused"
    return Line(line.row, line.followup_id, "refused", None, "with-others", message)

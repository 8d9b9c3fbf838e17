"""Reports about many follow-ups at once, as one row per follow-up: what a row does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.followups.domain.decisions import complete, report_progress
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Fact
from services.followups.domain.records import Followup
from services.followups.domain.refusals import BadProgress, NotNow
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused

MOST_ROWS: Final = 20_000
MOST_FAULTS: Final = 1_000  # of one sheet that are reported; there may be more
LONGEST_NOTE: Final = 20_000  # characters


class Column(StrEnum):
    """The columns of a sheet, in their order."""

    FOLLOWUP_ID = "followup_id"
    VERSION = "version"
    RESOLUTION_ID = "resolution_id"
    TITLE = "title"
    DEPUTY = "deputy"
    PROVINCE = "province"
    AXIS = "axis"
    STATE = "state"
    DUE_ON = "due_on"
    ORIGINAL_DUE_ON = "original_due_on"
    LEVEL = "level"
    REPORTED = "reported"
    PROGRESS = "progress"
    NOTE = "note"
    DONE = "done"


EDITABLE: Final = frozenset({Column.PROGRESS, Column.NOTE, Column.DONE})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a sheet, and where."""

    row: int  # as spreadsheets count it, from 1
    column: Column | None
    slug: str
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody wrote into a row."""

    row: int  # as spreadsheets count it, from 1
    followup_id: str
    version: int  # of the follow-up when the sheet was made
    progress: int | None = None
    note: str | None = None
    claims: bool = False  # that it is done

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written into the row."""
        return self.progress is None and self.note is None and not self.claims


class BadSheet(Exception):
    """The sheet has faults; no row of it is applied."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


class StaleRow(Refused):
    """The follow-up has changed since the sheet was made."""

    reason = "stale-version"


def doubles(edits: Iterable[Edit]) -> list[Fault]:
    """Return a fault for each row whose follow-up is in an earlier row too."""
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for edit in edits:
        row = first.setdefault(edit.followup_id, edit.row)
        if row != edit.row:
            message = f"row {row} speaks of the same follow-up"
            faults.append(Fault(edit.row, Column.FOLLOWUP_ID, "double-row", message))
    return faults


def decide(followup: Followup, edit: Edit, by: Principal, now: datetime) -> list[Fact]:
    """Return the facts of a row; none if it says only what is known already.

    A claim together with a new progress becomes two facts: a report and a claim. Raises StaleRow,
    NotAllowed, NotNow, BadProgress.
    """
    progress = None if edit.progress == followup.progress else edit.progress
    if progress is None and edit.note is None and not edit.claims:
        return []
    if followup.version != edit.version:
        present = f"it is version {followup.version} now, {followup.state}, {followup.progress} %"
        raise StaleRow(f"{present}; the sheet has version {edit.version}")
    facts: list[Fact] = []
    if progress is not None or not edit.claims:
        reported = followup.progress if progress is None else progress
        note = None if edit.claims else edit.note
        facts.append(report_progress(followup, by, reported, note, now))
    if edit.claims:
        latest = evolve(followup, facts[0]) if facts else followup
        facts.append(complete(latest, by, edit.note, now))
    return facts


def column_of(refused: Refused, edit: Edit) -> Column:
    """Return the column that a refusal is about."""
    match refused:
        case StaleRow():
            return Column.VERSION
        case BadProgress():
            return Column.PROGRESS
        case NotNow() if edit.claims:
            return Column.DONE
        case _:
            return Column.FOLLOWUP_ID if edit.progress is None else Column.PROGRESS

"""Follow-ups as a spreadsheet, and what people wrote there."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO, Final, Literal, Self, TypeAlias

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, TypeAdapter
from pymongo.errors import PyMongoError
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from services.followups.api.context import ApiContext, ApiContexts, query_all
from services.followups.api.lists import Filters
from services.followups.domain.bulk import MOST_ROWS, TITLES, BadSheet, Column, Edit
from services.followups.domain.records import Followup
from services.followups.handlers import Line, NoSheet, Sheets, bulk
from shared.messaging.core.errors import StillRecovering
from shared.runtime.calendar import jalali_date_short, tehran_date
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Once, Repeatable, Traceparent
from shared.runtime.http.disposition import attachment
from shared.runtime.identity import Caller
from shared.runtime.listing import ListQuery as Wanted
from shared.runtime.listing import Place
from shared.runtime.principals import Principal
from shared.runtime.problems import FieldError, Problem
from shared.runtime.replies import Keyed, Reply, Replying
from shared.runtime.told import Told, sentence

PATH: Final = "/followups/bulk"

_PAGE: Final = 500
_PIECE: Final = 256 * 1024
_COMING_IN: Final = 4  # sheets on their way at a time, each on disk
_AT_WORK: Final = 1  # at a time: 20,000 rows take a processor for half a minute

_AWAY: Final = "the deputy's database does not answer; send the sheet again"

Mode: TypeAlias = Literal["all", "valid"]

_LINES: Final[TypeAdapter[list[Line]]] = TypeAdapter(list[Line])
_PASSES: Final = frozenset({"busy", "unavailable"})  # what a row may be refused for, for a while

_log = structlog.get_logger(__name__)


class BulkLine(BaseModel):
    """What became of a row in which somebody wrote something."""

    row: int = Field(description="as the spreadsheet counts it")
    followup_id: str
    outcome: Literal["applied", "unchanged", "refused"]
    column: Column | None = Field(description="that a refusal is about")
    title: str | None = Field(description="of that column, as the sheet has it")
    error: str | None = Field(description="slug of a refusal")
    message: str | None


class BulkAnswer(BaseModel):
    """What became of a sheet; where `dry_run`, what would become of it."""

    dry_run: bool
    mode: Mode
    rows: int = Field(description="of the sheet, empty ones left out")
    applied: int
    unchanged: int
    refused: int
    lines: list[BulkLine]


def routes(contexts: ApiContexts, sheets: Sheets, clock: DomainClock) -> APIRouter:
    """The routes of spreadsheets."""
    router = APIRouter(tags=["spreadsheets"])
    coming_in, at_work = asyncio.Semaphore(_COMING_IN), asyncio.Semaphore(_AT_WORK)

    @router.get(
        f"/followups.{sheets.suffix}",
        response_class=StreamingResponse,
        responses={200: {"description": "The sheet.", "content": {sheets.media_type: {}}}},
    )
    async def export(_: Caller, filters: Annotated[Filters, Depends()]) -> StreamingResponse:
        """The follow-ups of a list as a spreadsheet, of at most 20,000 rows.

        Where more are asked for, it says so and gives none.
        """
        asked = list(contexts.select(filters.deputy).values())
        async with at_work:
            file = await _written(asked, filters, sheets)
        day = jalali_date_short(tehran_date(await clock.now())).replace("/", "-")
        name = {"Content-Disposition": attachment(f"پیگیری‌ها {day}.{sheets.suffix}")}
        return StreamingResponse(_pieces(file), headers=name, media_type=sheets.media_type)

    @router.post(
        PATH,
        openapi_extra={
            "requestBody": {
                "description": "The sheet, as it was got and filled in.",
                "required": True,
                "content": {sheets.media_type: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def take(
        request: Request,
        by: Caller,
        once: Repeatable,
        dry_run: Annotated[bool, Query(description="Only say what would become of it.")] = True,
        mode: Annotated[
            Mode, Query(description="`all`: nothing where a row is refused; `valid`: the others.")
        ] = "all",
        traceparent: Traceparent = None,
    ) -> BulkAnswer:
        """Report what people wrote into a sheet: how far, a note, and what is done.

        What cannot be read is answered with 422, which names rows and columns. Where mode is
        `all` and a row is refused, the answer is 409. Nothing is applied then.
        """
        async with coming_in:
            with TemporaryFile() as file:
                digest = await _receive(request, file)

                async def act(_: Replying[_Told]) -> _Told:
                    async with at_work:
                        edits = await asyncio.to_thread(_read, sheets, file)
                        parts = await _Parts.of(once, contexts, digest)
                        reporter = _Reporter(contexts, by, await clock.now(), traceparent, parts)
                        return len(edits), await reporter.report(edits, mode, dry_run)

                return await once(
                    contexts.first.store.replies,
                    act,
                    lambda told: _answer(dry_run, mode, *told),
                    body=digest,
                    settled=_is_settled,
                )

    return router


_Told: TypeAlias = tuple[int, list[Line]]
"""How many rows a sheet has, and what became of those in which something was written."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a request with a key has done already, where it broke off before its answer."""

    once: Once
    keyed: Keyed | None
    lines: Mapping[int, Line]  # by row

    @classmethod
    async def of(cls, once: Once, contexts: ApiContexts, digest: str) -> Self:
        """Ask all deputies. Raises Problem where the key was used for another request."""
        keyed = await once.keyed(digest)
        if keyed is None:
            return cls(once, None, {})
        answers, _ = await query_all(contexts.select(), lambda api: api.store.replies.about(keyed.id))
        replies = [reply for answer in answers for reply in answer]
        for reply in replies:
            once.require_same(reply, keyed)
        done = (line for reply in replies for line in _LINES.validate_json(reply.body))
        return cls(once, keyed, {line.row: line for line in done})

    def reply(self, lines: Sequence[Line]) -> Reply | None:
        """What is kept with the commit of some rows."""
        if self.keyed is None:
            return None
        return self.once.part(self.keyed, lines[0].row, _LINES.dump_json(list(lines)))


@dataclass(frozen=True, slots=True)
class _Reporter:
    """Somebody who reports of several deputies' follow-ups at once."""

    contexts: ApiContexts
    by: Principal
    now: datetime
    trace: str | None
    parts: _Parts

    async def report(self, edits: Sequence[Edit], mode: Mode, dry_run: bool) -> list[Line]:
        """What became of the rows in which something was written.

        Where all or nothing is asked for: raises Problem 422 for more than a transaction holds,
        and 409 where a row is refused.
        """
        done = self.parts.lines
        left = [edit for edit in edits if not edit.is_empty and edit.row not in done]
        lines, found = await self.check(left)
        if mode == "all":
            _require_few(found)
        if dry_run:
            return lines
        if mode == "all" and not done:  # else it was begun, and is gone on with
            _require_none_refused(lines)
        became = await self.apply(lines, found, together=mode == "all")
        return sorted([*done.values(), *became], key=lambda line: line.row)

    async def check(self, edits: Sequence[Edit]) -> tuple[list[Line], dict[str, list[Edit]]]:
        """What would become of the rows, and whose those are that are not refused."""

        async def one(api: ApiContext) -> tuple[str, Sequence[Line]]:
            lines = await bulk.foresee(edits, api.store, api.context, self.by, self.now)
            return api.context.deputy, lines

        if not edits:
            return [], {}
        answers, partial = await query_all(self.contexts.select(), one)
        lines = {line.row: line for _, told in answers for line in told}
        places = {line.row: deputy for deputy, told in answers for line in told}
        found: dict[str, list[Edit]] = {}
        for edit in edits:
            if edit.row not in lines:
                lines[edit.row] = _missing(edit, partial)
            elif lines[edit.row].outcome == "applied":
                found.setdefault(places[edit.row], []).append(edit)
        return [lines[edit.row] for edit in edits], found

    async def apply(
        self, lines: Sequence[Line], found: Mapping[str, Sequence[Edit]], *, together: bool
    ) -> list[Line]:
        """Apply what is not refused, a deputy after the other; what became of all rows.

        A deputy whose database does not answer is no reason to leave the others out.
        """
        became = {line.row: line for line in lines}
        for deputy, edits in found.items():
            api = self.contexts.select([deputy])[deputy]
            try:
                done = await bulk.apply(
                    edits,
                    api.store,
                    api.context,
                    self.by,
                    self.now,
                    self.trace,
                    together=together,
                    reply=self.parts.reply,
                )
            except (PyMongoError, StillRecovering) as error:
                _log.warning("rows are not applied", deputy=deputy, error=str(error))
                done = [bulk.refusal(edit, "unavailable", _AWAY) for edit in edits]
            became.update({line.row: line for line in done})
        return list(became.values())


# -- in -----------------------------------------------------------------------------------------


async def _receive(request: Request, file: BinaryIO) -> str:
    """Put the body into a file; return its SHA-256 as hexadecimal figures."""
    digest = hashlib.sha256()
    try:
        async for data in request.stream():
            file.write(data)
            digest.update(data)
    except ClientDisconnect:
        raise Problem(400, "body-broken-off", "The body broke off") from None
    return digest.hexdigest()


def _read(sheets: Sheets, file: BinaryIO) -> list[Edit]:
    try:
        with closing(sheets.rows(file)) as rows:
            return bulk.read(rows)
    except NoSheet as error:
        wrong = FieldError("body", str(error))
        title = "The file is no sheet that can be read"
        raise Problem(422, "no-sheet", title, str(error), errors=[wrong]) from error
    except BadSheet as bad:
        told = "Nothing is applied; `errors` names rows and columns"
        errors = [_error(f.row, f.column, f.slug, f.message) for f in bad.faults]
        raise Problem(422, "bad-sheet", "The sheet is not valid", told, errors=errors) from bad


def _missing(edit: Edit, partial: Sequence[str]) -> Line:
    if partial:
        told = f"not found, but these deputies' databases do not answer: {', '.join(partial)}"
        return bulk.refusal(edit, "unavailable", told)
    told = "there is no such follow-up here"
    return bulk.refusal(edit, "unknown-followup", told, Column.FOLLOWUP_ID)


def _require_few(found: Mapping[str, Sequence[Edit]]) -> None:
    for deputy, edits in found.items():
        if len(edits) > bulk.MOST_TOGETHER:
            told = sentence(
                "{rows} rows of {deputy} change something, and {most} can together; send fewer, or "
                "with mode=valid",
                rows=len(edits),
                deputy=deputy,
                most=bulk.MOST_TOGETHER,
            )
            raise Problem(422, "too-many-together", "Too many rows for all or nothing", told)


def _require_none_refused(lines: Sequence[Line]) -> None:
    errors = [
        _error(line.row, line.column, line.error or "", line.message or "")
        for line in lines
        if line.outcome == "refused"
    ]
    if errors:
        told = sentence("{rows} rows are refused, so nothing is applied", rows=len(errors))
        title = "Not possible as things stand"
        raise Problem(409, "rows-refused", title, told, errors=errors[: bulk.FAULTS])


def _error(row: int, column: Column | None, slug: str, message: str) -> FieldError:
    place = f"rows.{row}" if column is None else f"rows.{row}.{column}"
    return FieldError(place, Told.of(f"{slug}: {message}", f"row:{slug}", {}))


def _is_settled(told: _Told) -> bool:
    return all(line.error not in _PASSES for line in told[1])


def _answer(dry_run: bool, mode: Mode, rows: int, lines: Sequence[Line]) -> BulkAnswer:
    count = Counter(line.outcome for line in lines)
    shown = [
        BulkLine(
            row=line.row,
            followup_id=line.followup_id,
            outcome=line.outcome,
            column=line.column,
            title=None if line.column is None else TITLES[line.column],
            error=line.error,
            message=line.message,
        )
        for line in lines
    ]
    return BulkAnswer(
        dry_run=dry_run,
        mode=mode,
        rows=rows,
        applied=count["applied"],
        unchanged=rows - count["applied"] - count["refused"],
        refused=count["refused"],
        lines=shown,
    )


# -- out ----------------------------------------------------------------------------------------


async def _written(contexts: Sequence[ApiContext], filters: Filters, sheets: Sheets) -> BinaryIO:
    """A whole sheet; raises Problem 422 where it were too long."""
    writer, rows = await asyncio.to_thread(sheets.write), 0
    try:
        for api in contexts:
            async for page in _pages_of(api, filters):
                rows += len(page)
                if rows > MOST_ROWS:
                    told = sentence(
                        "more than {most} follow-ups; ask for those of a deputy, a session",
                        most=MOST_ROWS,
                    )
                    raise Problem(422, "too-many-rows", "A sheet has not so many rows", told)
                await asyncio.to_thread(writer.add, page)
        return await asyncio.to_thread(writer.finish)
    finally:
        await asyncio.to_thread(writer.close)


async def _pages_of(api: ApiContext, filters: Filters) -> AsyncIterator[Sequence[Followup]]:
    fields, spans, after = filters.fields(), filters.spans(), None
    while True:
        page = await api.store.page(Wanted(fields, after, _PAGE, spans))
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = Place(page[-1].followup_id)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece

"""Follow-ups as a spreadsheet, and the reports that people write into it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO, Final, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from services.followups.api.bulk_rows import EarlierRows, RowReporter
from services.followups.api.context import ApiContext, ApiContexts
from services.followups.api.lists import Filters
from services.followups.domain.bulk import MOST_FAULTS, MOST_ROWS, BadSheet, Column, Edit
from services.followups.domain.records import Followup
from services.followups.domain.visibility import within
from services.followups.handlers import Line, NoSheet, Sheets, bulk
from shared.runtime.access import Action, reach
from shared.runtime.calendar import jalali_date_short, tehran_date
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.disposition import attachment
from shared.runtime.idempotent_replies import Replying
from shared.runtime.list_queries import ListQuery, Place, Within
from shared.runtime.principals import Principal
from shared.runtime.problems import FieldError, Problem
from shared.runtime.sentences import Sentence, sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_FOLLOWUPS)]
Worker: TypeAlias = Annotated[Principal, may(Action.WORK_ON_FOLLOWUP)]

PATH: Final = "/followups/bulk"

_PAGE: Final = 500
_CHUNK: Final = 256 * 1024  # bytes
_RECEIVING: Final = 4  # sheets at a time, each on disk
_WORKING: Final = 1  # sheets at a time: 20,000 rows occupy a processor for half a minute

Mode: TypeAlias = Literal["all", "valid"]

_TEMPORARY: Final = frozenset({"busy", "unavailable"})  # refusals after which to try again


class BulkLine(BaseModel):
    """What happened to a row in which somebody wrote something."""

    row: int = Field(description="as spreadsheet programs count it")
    followup_id: str
    outcome: Literal["applied", "unchanged", "refused"]
    column: Column | None = Field(description="the column that a refusal is about")
    title: str | None = Field(description="of that column in the sheet")
    error: str | None = Field(description="the slug of a refusal")
    message: str | None


class BulkAnswer(BaseModel):
    """What happened to a sheet; in a dry run, what would happen to it."""

    dry_run: bool
    mode: Mode
    rows: int = Field(description="of the sheet, without empty ones")
    applied: int
    unchanged: int
    refused: int
    lines: list[BulkLine]


def routes(contexts: ApiContexts, sheets: Sheets, clock: DomainClock) -> APIRouter:
    """The routes of spreadsheets."""
    router = APIRouter(tags=["spreadsheets"])
    working = asyncio.Semaphore(_WORKING)
    _add_export(router, contexts, sheets, clock, working)
    _add_import(router, contexts, sheets, clock, working)
    return router


def _add_export(
    router: APIRouter,
    contexts: ApiContexts,
    sheets: Sheets,
    clock: DomainClock,
    working: asyncio.Semaphore,
) -> None:
    @router.get(
        f"/followups.{sheets.suffix}",
        response_class=StreamingResponse,
        responses={200: {"description": "The sheet.", "content": {sheets.media_type: {}}}},
    )
    async def export(by: Reader, filters: Annotated[Filters, Depends()]) -> StreamingResponse:
        """The follow-ups of a list as a spreadsheet of at most 20,000 rows.

        If there are more, the answer is 422.
        """
        read, now = reach(by, Action.READ_FOLLOWUPS), await clock.now()
        parts = [
            (api, within(read, deputy, now))
            for deputy, api in contexts.select(filters.deputy).items()
        ]
        async with working:
            file = await _write(parts, filters, sheets)
        day = jalali_date_short(tehran_date(now)).replace("/", "-")
        name = {"Content-Disposition": attachment(f"پیگیری‌ها {day}.{sheets.suffix}")}
        return StreamingResponse(_chunks(file), headers=name, media_type=sheets.media_type)


def _add_import(
    router: APIRouter,
    contexts: ApiContexts,
    sheets: Sheets,
    clock: DomainClock,
    working: asyncio.Semaphore,
) -> None:
    receiving = asyncio.Semaphore(_RECEIVING)
    content = {sheets.media_type: {"schema": {"type": "string", "format": "binary"}}}
    body = {"description": "The sheet, filled in.", "required": True, "content": content}

    @router.post(PATH, openapi_extra={"requestBody": body})
    async def take(
        request: Request,
        by: Worker,
        once: Repeatable,
        dry_run: Annotated[bool, Query(description="Only report what would happen.")] = True,
        mode: Annotated[
            Mode, Query(description="`all`: nothing if a row is refused; `valid`: the others.")
        ] = "all",
        traceparent: Traceparent = None,
    ) -> BulkAnswer:
        """Report what people wrote into a sheet: progress, a note, and what is done.

        A sheet that cannot be read is answered with 422, which names rows and columns; if mode is
        `all` and a row is refused, with 409. Nothing is applied then.
        """
        async with receiving:
            with TemporaryFile() as file:
                digest = await _receive(request, file)

                async def act(_: Replying[_Report]) -> _Report:
                    async with working:
                        edits = await asyncio.to_thread(_read, sheets, file)
                        earlier = await EarlierRows.of(once, contexts, digest)
                        now = await clock.now()
                        reporter = RowReporter(contexts, by, now, traceparent, earlier)
                        return len(edits), await _report(reporter, edits, mode, dry_run)

                return await once(
                    contexts.first.store.replies,
                    act,
                    lambda report: _answer(sheets.titles, dry_run, mode, *report),
                    body=digest,
                    settled=_is_settled,
                )


_Report: TypeAlias = tuple[int, list[Line]]
"""The number of rows in a sheet, and what happened to the rows in which something was written."""


async def _report(
    reporter: RowReporter, edits: Sequence[Edit], mode: Mode, dry_run: bool
) -> list[Line]:
    """Report the rows in which something was written; return what happened to them.

    If the mode is `all`, raises Problem 422 for more rows than a transaction holds, and 409 if a
    row is refused.
    """
    done = reporter.earlier.lines
    left = [edit for edit in edits if not edit.is_empty and edit.row not in done]
    lines, changing = await reporter.check(left)
    if mode == "all":
        _require_few(changing)
    if dry_run:
        return lines
    if mode == "all" and not done:  # a request that began earlier is finished
        _require_none_refused(lines)
    applied = await reporter.apply(lines, changing, together=mode == "all")
    return sorted([*done.values(), *applied], key=lambda line: line.row)


# -- in -----------------------------------------------------------------------------------------


async def _receive(request: Request, file: BinaryIO) -> str:
    """Write the body into a file; return its SHA-256 in hexadecimal digits."""
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
        return sheets.read(file)
    except NoSheet as error:
        field_error = FieldError("body", str(error))
        title = "The file is no sheet that can be read"
        raise Problem(422, "no-sheet", title, str(error), errors=[field_error]) from error
    except BadSheet as bad:
        detail = "Nothing is applied; `errors` names rows and columns"
        errors = [_error(f.row, f.column, f.slug, f.message) for f in bad.faults]
        raise Problem(422, "bad-sheet", "The sheet is not valid", detail, errors=errors) from bad


def _require_few(changing: Mapping[str, Sequence[Edit]]) -> None:
    for deputy, edits in changing.items():
        if len(edits) > bulk.MOST_TOGETHER:
            detail = sentence(
                "{rows} rows of {deputy} change something, and {most} can together; send fewer, or "
                "with mode=valid",
                rows=len(edits),
                deputy=deputy,
                most=bulk.MOST_TOGETHER,
            )
            raise Problem(422, "too-many-together", "Too many rows for all or nothing", detail)


def _require_none_refused(lines: Sequence[Line]) -> None:
    errors = [
        _error(line.row, line.column, line.error or "", line.message or "")
        for line in lines
        if line.outcome == "refused"
    ]
    if errors:
        detail = sentence("{rows} rows are refused, so nothing is applied", rows=len(errors))
        title = "Not possible as things stand"
        raise Problem(409, "rows-refused", title, detail, errors=errors[:MOST_FAULTS])


def _error(row: int, column: Column | None, slug: str, message: str) -> FieldError:
    place = f"rows.{row}" if column is None else f"rows.{row}.{column}"
    return FieldError(place, Sentence.of(f"{slug}: {message}", f"row:{slug}", {}))


def _is_settled(report: _Report) -> bool:
    return all(line.error not in _TEMPORARY for line in report[1])


def _answer(
    titles: Mapping[Column, str], dry_run: bool, mode: Mode, rows: int, lines: Sequence[Line]
) -> BulkAnswer:
    count = Counter(line.outcome for line in lines)
    shown = [
        BulkLine(
            row=line.row,
            followup_id=line.followup_id,
            outcome=line.outcome,
            column=line.column,
            title=None if line.column is None else titles[line.column],
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


async def _write(
    parts: Sequence[tuple[ApiContext, Within | None]], filters: Filters, sheets: Sheets
) -> BinaryIO:
    """The sheet of these parts of the deputies' follow-ups. Raises Problem 422 if too long."""
    writer, rows = await asyncio.to_thread(sheets.write), 0
    try:
        for api, visible in parts:
            async for page in _pages_of(api, filters, visible):
                rows += len(page)
                if rows > MOST_ROWS:
                    detail = sentence(
                        "more than {most} follow-ups; ask for those of a deputy, a session",
                        most=MOST_ROWS,
                    )
                    raise Problem(422, "too-many-rows", "A sheet has not so many rows", detail)
                await asyncio.to_thread(writer.add, page)
        return await asyncio.to_thread(writer.finish)
    finally:
        await asyncio.to_thread(writer.close)


async def _pages_of(
    api: ApiContext, filters: Filters, visible: Within | None
) -> AsyncIterator[Sequence[Followup]]:
    query = ListQuery(filters.fields(), None, _PAGE, filters.spans(), within=visible)
    while True:
        page = await api.store.page(query)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        query = replace(query, after=Place(page[-1].followup_id))


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk

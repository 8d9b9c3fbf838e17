"""The command line.

python -m tools.erase report 1402-IR-09 …      the texts of a province's report
python -m tools.erase evidence ID ID …         a file of evidence
python -m tools.erase season 1402 …            all texts and files of a season's sessions
python -m tools.erase again …                  everything that a journal holds, after a restore
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeAlias, TypeVar
from uuid import uuid4

import typer
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.runtime.clocks import milliseconds
from shared.runtime.refused_rights import refusal
from shared.runtime.settings import load
from tools.asking import ToolSettings
from tools.erase import journal as journals
from tools.erase.databases import Client, Databases, NotThere
from tools.erase.erasures import (
    BadErasure,
    Erasure,
    EvidenceFile,
    Order,
    ReportTexts,
    Subject,
    key_of,
)
from tools.erase.journal import BadJournal
from tools.erase.planning import Found, Plan, plan

_WAIT_MS: Final = 10_000

_errors = Console(stderr=True)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Erase texts of reports and files of evidence, for good. PEYGIR_MONGODB_URI, _USERNAME "
    "and _PASSWORD are those of a user with the role `eraser`. Every command is safe to repeat: "
    "what was begun is finished.",
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must not be empty")
    return text


Find: TypeAlias = Callable[[Databases], Sequence[Found]]
JournalFile = Annotated[
    Path,
    typer.Option(
        "--journal",
        dir_okay=False,
        help="The file that keeps every erasure, a line each; keep it apart from back-ups.",
    ),
]
Who = Annotated[str, typer.Option(callback=_not_blank, help="Your name; it is kept.")]
Why = Annotated[
    str, typer.Option(callback=_not_blank, help="The reason; it is kept, so it quotes no text.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be erased.")]

T = TypeVar("T")


class EraseSettings(ToolSettings):
    """Settings of the command: MongoDB's address, with an eraser's user and password."""

    NEEDS = "PEYGIR_MONGODB"


@app.command()
def report(
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The report's session.")],
    journal: JournalFile,
    who: Who,
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Erase the texts of a province's report: answers, initiatives, special topics.

    Ids and counts stay. The province may send a further revision as long as it could before.
    """
    order = _order(who, why)
    _erase(lambda there: [there.report(session_id)], order, journal, yes=yes, dry_run=dry_run)


@app.command()
def evidence(
    followup_id: Annotated[str, typer.Argument(metavar="FOLLOWUP_ID", help="Whose evidence.")],
    evidence_id: Annotated[str, typer.Argument(metavar="EVIDENCE_ID", help="The file.")],
    journal: JournalFile,
    who: Who,
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Erase a file of evidence in every deputy's database that holds it.

    Its name, size and hash stay in the history of the follow-up.
    """
    order = _order(who, why)
    _erase(
        lambda there: [there.evidence(followup_id, evidence_id)],
        order,
        journal,
        yes=yes,
        dry_run=dry_run,
    )


@app.command()
def season(
    season: Annotated[str, typer.Argument(metavar="SEASON", help="As the scheduler names it.")],
    journal: JournalFile,
    who: Who,
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Erase the texts of all reports and all files of evidence of a season's sessions."""
    order = _order(who, why, season)
    _erase(lambda there: there.season(season), order, journal, yes=yes, dry_run=dry_run)


@app.command()
def again(journal: JournalFile, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Repeat every erasure of a journal, after a restore of an older copy."""
    with _connected() as there:
        erasures = journals.read(journal)
        back = [e for e in _progress(erasures, "looking") if there.is_there(e)]
        print(f"{_number(len(erasures), 'erasure')} in the journal; {len(back):,} came back")
        if dry_run:
            _print_subjects([erasure.subject for erasure in back])
            return
        _ask("Erase them again, and put all on record?", yes=yes)
        for erasure in _progress(erasures, "erasing"):
            there.erase(erasure, _now())
    print(f"{_number(len(erasures), 'erasure')} carried out")


def _erase(find: Find, order: Order, journal: Path, *, yes: bool, dry_run: bool) -> None:
    """Erase what is found, after asking; end the process in one line if something fails."""
    with _connected() as there:
        todo = plan(find(there), there.recorded())
        if not (todo.unfinished or todo.new):
            print("nothing is left to erase")
            return
        print(_summary(todo))
        if dry_run:
            begun = [erasure.subject for erasure in todo.unfinished]
            _print_subjects([*begun, *(found.subject for found in todo.new)])
            return
        _ask("Erase this? Nothing brings it back.", yes=yes)
        with journals.appending(journal) as note:
            for erasure in _progress(todo.unfinished, "finishing"):
                there.erase(erasure, _now())
            for found in _progress(todo.new, "erasing"):
                erasure = Erasure(uuid4().hex, order, found.subject)
                note(erasure)
                there.erase(erasure, _now())
    print("erased")


@contextmanager
def _connected() -> Iterator[Databases]:
    """The databases; ends the process in one line if they, the journal or what is asked fail."""
    settings = load(EraseSettings)
    client: Client = MongoClient(settings.mongodb_address(), serverSelectionTimeoutMS=_WAIT_MS)
    try:
        with client:
            yield Databases(client, settings.known_deputies, settings.namespace)
    except (NotThere, BadErasure, BadJournal) as error:
        _fail(str(error))
    except PyMongoError as error:
        silent = f"MongoDB does not answer ({type(error).__name__}): check PEYGIR_MONGODB_URI"
        _fail(f"{refusal(error) or silent}; what was begun is finished by running this again")


def _order(who: str, why: str, season: str | None = None) -> Order:
    return Order(_now(), who, why, season)


def _now() -> datetime:
    return milliseconds(datetime.now(UTC))


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)


def _summary(todo: Plan) -> str:
    """`texts of 31 reports, 120 files of evidence (1,234,567 bytes)`."""
    texts = sum(isinstance(found.subject, ReportTexts) for found in todo.new)
    files = [found for found in todo.new if isinstance(found.subject, EvidenceFile)]
    size = sum(found.size for found in files)
    parts = [
        f"texts of {_number(texts, 'report')}" if texts else "",
        f"{_number(len(files), 'file')} of evidence ({size:,} bytes)" if files else "",
        f"{_number(len(todo.unfinished), 'erasure')} begun before" if todo.unfinished else "",
    ]
    return ", ".join(part for part in parts if part)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _print_subjects(subjects: Sequence[Subject]) -> None:
    table = Table(title="would be erased", title_justify="left")
    for heading in ("what", "id", "of", "where"):
        table.add_column(heading, overflow="fold")
    for subject in subjects:
        what, _ = key_of(subject)
        match subject:
            case ReportTexts(session_id, report_id, revision):
                of = f"session {session_id}, up to revision {revision}"
                table.add_row(what, report_id, of, "reports")
            case EvidenceFile(followup_id, evidence_id, databases, _):
                table.add_row(what, evidence_id, f"follow-up {followup_id}", ", ".join(databases))
    Console().print(table)


def _progress(things: Sequence[T], what: str) -> Iterable[T]:
    """Yield things, with a bar that shows how many are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_errors, transient=True) as progress:
        yield from progress.track(things, description=what)


def _fail(line: str) -> NoReturn:
    _errors.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()

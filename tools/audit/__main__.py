"""The command line.

python -m tools.audit verify                     follow every chain; exit code 1 if one is broken
python -m tools.audit export --format csv        who did what, when, by which authority
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.runtime.refused_rights import refused_right
from shared.runtime.settings import load
from tools.asking import ToolSettings
from tools.audit.exporting import Format, Writer, row_of, rows_of_read
from tools.audit.trail import Client, Selection, committed, count, databases, reads
from tools.audit.verifying import Broken, Head, Place, Verified, lost, verify

_WAIT_MS: Final = 10_000
_READ_LOG: Final = "reports"

_errors = Console(stderr=True)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Verify and export the audit trail. PEYGIR_MONGODB_URI, _USERNAME and _PASSWORD are those "
    "of a user with the role `auditor`; times without an offset are UTC.",
)

Aggregate = Annotated[str | None, typer.Option(help="Only this aggregate.")]
By = Annotated[str | None, typer.Option(help="Only what this person or process did.")]
Since = Annotated[datetime | None, typer.Option(help="Only from this instant on.")]
Until = Annotated[datetime | None, typer.Option(help="Only before this instant.")]


class AuditSettings(ToolSettings):
    """Settings of the command: MongoDB's address, with an auditor's user and password."""

    NEEDS = "PEYGIR_MONGODB"


@app.command("verify")
def verify_chains(
    aggregate: Aggregate = None,
    sealed: Annotated[
        Path | None, typer.Option(help="Heads of an earlier run, which must still be there.")
    ] = None,
    seal: Annotated[
        Path | None, typer.Option(help="Where to write the heads of all chains, if none broke.")
    ] = None,
    chained_since: Annotated[
        datetime | None,
        typer.Option(help="When the last process without chains ended; before, hashes may lack."),
    ] = None,
) -> None:
    """Follow the chain of each aggregate, and name its first broken link.

    A chain alone does not show that its end was cut off, or that somebody with the right to write
    has made all of it anew: keep the heads (--seal) where nobody can change them, and compare
    (--sealed). Exit code 1 if anything is missing or changed.
    """
    before = {} if sealed is None else _read_seal(sealed)
    if aggregate is not None:
        before = {place: head for place, head in before.items() if place[1] == aggregate}
    found, selection, upgraded = Verified(), Selection(aggregate=aggregate), _aware(chained_since)
    with _connected() as (client, names):
        for name, advance in _progress(client, names, selection):
            for _ in verify(committed(client, name, selection), found, before, upgraded):
                advance()
    broken = [*found.broken, *lost(found, before)]
    if broken:
        _print_broken(broken)
        raise typer.Exit(1)
    if seal is not None:
        _write_seal(seal, found.heads)
    print(
        f"{found.events:,} events of {found.aggregates:,} aggregates: nothing missing, nothing "
        f"changed; {found.unchained:,} are older than the chains"
    )


@app.command()
def export(
    aggregate: Aggregate = None,
    by: By = None,
    since: Since = None,
    until: Until = None,
    format_: Annotated[Format, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    out: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
) -> None:
    """Write every event and every read of restricted axes: who, when, from where, by what."""
    selection = Selection(aggregate, by, _aware(since), _aware(until))
    file = sys.stdout if out is None else out.open("w", encoding="utf-8", newline="")
    written = 0
    try:
        writer = Writer(file, format_)
        with _connected() as (client, names):
            for name, advance in _progress(client, names, selection):
                for entry in committed(client, name, selection):
                    writer.write(row_of(entry))
                    written += 1
                    advance()
                if name.endswith(_READ_LOG):
                    for read in reads(client, name, selection):
                        for row in rows_of_read(name, read):
                            writer.write(row)
                            written += 1
    finally:
        if out is not None:
            file.close()
    _errors.print(f"{written:,} entries")


@contextmanager
def _connected() -> Iterator[tuple[Client, Sequence[str]]]:
    """A client, and the names of the databases; ends the process in one line if one fails."""
    settings = load(AuditSettings)
    client: Client = MongoClient(settings.mongodb_address(), serverSelectionTimeoutMS=_WAIT_MS)
    try:
        with client:
            yield client, databases(settings.known_deputies, settings.namespace)
    except PyMongoError as error:
        silent = f"MongoDB does not answer ({type(error).__name__}): check PEYGIR_MONGODB_URI"
        _fail(refused_right(error) or silent)


def _progress(
    client: Client, names: Sequence[str], selection: Selection
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield each database with what moves the bar by one entry."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_errors, transient=True) as progress:
        totals = {name: count(client, name, selection) for name in names}
        task = progress.add_task("", total=sum(totals.values()))
        for name in names:
            progress.update(task, description=name)
            yield name, lambda: progress.advance(task)


def _read_seal(file: Path) -> Mapping[Place, Head]:
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return {
            (line["database"], line["aggregate"]): (line["version"], bytes.fromhex(line["hash"]))
            for line in lines
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        _fail(f"{file} is no file of heads that --seal has written ({type(error).__name__})")


def _write_seal(file: Path, heads: Mapping[Place, Head]) -> None:
    with file.open("w", encoding="utf-8") as out:
        for (database, aggregate), (version, hashed) in sorted(heads.items()):
            line = {"database": database, "aggregate": aggregate, "version": version}
            out.write(json.dumps({**line, "hash": hashed.hex()}) + "\n")


def _print_broken(broken: Sequence[Broken]) -> None:
    table = Table(title=f"{len(broken)} chains are broken", title_justify="left")
    for heading in ("database", "aggregate", "version", "is", "why"):
        table.add_column(heading, overflow="fold")
    for one in broken:
        table.add_row(one.database, one.aggregate, str(one.version), one.what, one.detail)
    Console().print(table)


def _aware(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and not instant.tzinfo else instant


def _fail(line: str) -> NoReturn:
    _errors.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()

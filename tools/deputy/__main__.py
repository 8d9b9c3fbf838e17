"""`./peygir deputy move`: let another deputy answer for follow-ups.

It speaks to the API of `followups`, which has to serve both deputies.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NoReturn

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.runtime.settings import load
from tools.asking import ApiSettings, as_operator

_SECONDS: Final = 600.0  # files of evidence are copied on the way
_PATIENCE_SECONDS: Final = 60.0
_BUSY: Final = frozenset({httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE})
_REFUSED: Final = 1
_NO_SERVICE: Final = 2

_console = Console(stderr=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class NoAnswer(Exception):
    """The API does not answer, or refuses all of it; the message says why."""


class _Busy(NoAnswer):
    """Others change the same, or a database is away: it passes by itself.

    The transaction of a process that was killed keeps its documents locked for some seconds.
    """


@app.callback()
def deputies() -> None:
    """Work on deputies. PEYGIR_API says where the API of follow-ups is."""


@app.command()
def move(
    giver: Annotated[str, typer.Argument(metavar="FROM", help="Who answers for them now.")],
    taker: Annotated[str, typer.Argument(metavar="TO", help="Who answers from now on.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept in every history.")],
    who: Annotated[str, typer.Option(help="Your name; it is kept.")] = "",
    resolution: Annotated[
        list[str] | None, typer.Option(help="Only this resolution; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be moved.")] = False,
    api: Annotated[str, typer.Option(help="URL of the API; PEYGIR_API says it as well.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Move follow-ups, all or some, with their history and files. Safe to repeat.

    Exit code 1: some were refused, because the other deputy already follows the same resolution.
    """
    url = api or load(ApiSettings).api_of("followups")
    reason = f"{why} ({who})" if who else why  # a header holds no name in Persian
    asked: dict[str, Any] = {"to": taker, "reason": reason, "dry_run": dry_run}
    if resolution:
        asked["resolution_ids"] = resolution
    refused: list[dict[str, Any]] = []
    moved = 0
    try:
        headers = as_operator(who or getpass.getuser())
        with (
            httpx.Client(base_url=url, timeout=_SECONDS, headers=headers) as http,
            _progress() as progress,
        ):
            task = progress.add_task(f"{giver} → {taker}", total=None)
            for answer in _answers(http, giver, asked):
                moved += answer["moved"]
                refused += [line for line in answer["lines"] if line["outcome"] == "refused"]
                done = moved + len(refused)
                left = answer["remaining"] - (done if dry_run else len(refused))
                total = len(resolution) if resolution else done + max(0, left)
                progress.update(task, completed=done, total=total)
    except NoAnswer as error:
        _fail(str(error))
    if as_json:
        print(json.dumps({"moved": moved, "refused": refused, "dry_run": dry_run}))
    else:
        _tell(giver, taker, moved, refused, dry_run=dry_run)
    if refused:
        raise typer.Exit(_REFUSED)


def _answers(
    http: httpx.Client, giver: str, asked: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Ask again and again, each time behind what was answered before. Raises NoAnswer."""
    after: str | None = None
    again = Retrying(
        retry=retry_if_exception_type(_Busy),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_exponential(0.2, max=3),
        reraise=True,
    )
    while True:
        document = again(_ask, http, giver, {**asked, "after": after})
        yield document
        after = document["next_after"]
        if after is None:
            return


def _ask(http: httpx.Client, giver: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        answer = http.post(f"/v1/deputies/{giver}/move", json=asked)
    except httpx.HTTPError as error:
        what = f"{http.base_url} does not answer ({type(error).__name__}): {error}"
        hint = "name it with --api or PEYGIR_API, and run this again"
        raise NoAnswer(f"{what}; {hint}") from error
    if answer.status_code in _BUSY:
        raise _Busy(f"{_why(answer)}; run this again")
    if answer.is_error:
        raise NoAnswer(_why(answer))
    document: Mapping[str, Any] = answer.json()
    return document


def _why(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"{answer.request.url}: {answer.status_code} {answer.text[:300]}"
    faults = "; ".join(f"{e['field']}: {e['detail']}" for e in problem.get("errors", ()))
    return f"{problem.get('title')}: {faults or problem.get('detail')}"


def _tell(
    giver: str, taker: str, moved: int, refused: list[dict[str, Any]], *, dry_run: bool
) -> None:
    would = "would be moved" if dry_run else "moved"
    print(f"{moved} {would} from {giver} to {taker}, {len(refused)} refused")
    if refused:
        table = Table("resolution", "error", "why")
        for line in refused:
            table.add_row(line["resolution_id"], line["error"], line["message"])
        Console().print(table)
    if not dry_run and not refused:
        print(
            f"What still comes to {giver}'s topic for them goes on to {taker} by itself, as long "
            f"as a worker serves {giver}. To dissolve {giver}: see docs/runbook.md."
        )


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=_console, transient=True)


def _fail(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    raise typer.Exit(_NO_SERVICE)


if __name__ == "__main__":
    app(prog_name="python -m tools.deputy")

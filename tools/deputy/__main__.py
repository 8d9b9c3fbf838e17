"""`./peygir deputy move`: make another deputy responsible for follow-ups.

It uses the API of `followups`, which has to serve both deputies.
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
from tools.asking import ApiSettings, as_operator, refusal
from tools.login.errors import LoginError

_REQUEST_SECONDS: Final = 600.0  # a request also copies files of evidence
_RETRY_SECONDS: Final = 60.0
_RETRYABLE: Final = frozenset({httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE})
_EXIT_REFUSED: Final = 1
_EXIT_API_ERROR: Final = 2

_console = Console(stderr=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class ApiError(Exception):
    """The API does not answer, or refuses the request; the message says why."""


class _ApiBusy(ApiError):
    """Somebody else changes the same follow-ups, or a database is unavailable; try again.

    After a process is killed, its transaction keeps documents locked for some seconds.
    """


@app.callback()
def deputies() -> None:
    """Work on deputies. PEYGIR_API is the URL of the API of follow-ups."""


@app.command()
def move(
    former: Annotated[
        str, typer.Argument(metavar="FROM", help="The deputy who answers for them now.")
    ],
    successor: Annotated[
        str, typer.Argument(metavar="TO", help="The deputy who answers from now on.")
    ],
    why: Annotated[str, typer.Option(help="The reason; it is stored in every history.")],
    who: Annotated[str, typer.Option(help="Your name; it is stored.")] = "",
    resolution: Annotated[
        list[str] | None, typer.Option(help="Only this resolution; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be moved.")
    ] = False,
    api: Annotated[str, typer.Option(help="URL of the API; by default PEYGIR_API.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Move follow-ups, all or some, with their history and files. Safe to repeat.

    Exit code 1: some were refused, because the other deputy already follows the same resolution.
    """
    settings = load(ApiSettings)
    reason = f"{why} ({who})" if who else why  # a header cannot hold a Persian name
    body: dict[str, Any] = {"to": successor, "reason": reason, "dry_run": dry_run}
    if resolution:
        body["resolution_ids"] = resolution
    try:
        with _client(api, who, settings) as http:
            moved, refused = _move_all(http, former, body)
    except (ApiError, LoginError) as error:
        _fail(str(error))
    if as_json:
        print(json.dumps({"moved": moved, "refused": refused, "dry_run": dry_run}))
    else:
        _print_result(former, successor, moved, refused, dry_run=dry_run)
    if refused:
        raise typer.Exit(_EXIT_REFUSED)


def _client(api: str, who: str, settings: ApiSettings) -> httpx.Client:
    """A client of the API that says who sends its requests. Raises LoginError."""
    return httpx.Client(
        base_url=api or settings.api_of("followups"),
        timeout=_REQUEST_SECONDS,
        auth=as_operator(who or getpass.getuser(), settings),
        verify=settings.trusted(),
        event_hooks={"response": [lambda answer: _let_in(answer, settings)]},
    )


def _let_in(answer: httpx.Response, settings: ApiSettings) -> None:
    """Raises ApiError if the sender is refused."""
    if answer.is_client_error:
        answer.read()
    if (why := refusal(answer, settings)) is not None:
        raise ApiError(why)


def _move_all(
    http: httpx.Client, former: str, body: Mapping[str, Any]
) -> tuple[int, list[dict[str, Any]]]:
    """Move with a progress bar; return how many were moved and the refused ones. Raises ApiError.

    In a dry run nothing is moved, so the API goes on to count everything as remaining.
    """
    refused: list[dict[str, Any]] = []
    moved = 0
    named = len(body.get("resolution_ids", ()))
    with _progress() as progress:
        task = progress.add_task(f"{former} → {body['to']}", total=None)
        for answer in _answers(http, former, body):
            moved += answer["moved"]
            refused += [line for line in answer["lines"] if line["outcome"] == "refused"]
            done = moved + len(refused)
            left = answer["remaining"] - (done if body["dry_run"] else len(refused))
            progress.update(task, completed=done, total=named or done + max(0, left))
    return moved, refused


def _answers(
    http: httpx.Client, former: str, body: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield the answers page by page; retry while the API is busy. Raises ApiError."""
    after: str | None = None
    retry = Retrying(
        retry=retry_if_exception_type(_ApiBusy),
        stop=stop_after_delay(_RETRY_SECONDS),
        wait=wait_exponential(0.2, max=3),
        reraise=True,
    )
    while True:
        document = retry(_request, http, former, {**body, "after": after})
        yield document
        after = document["next_after"]
        if after is None:
            return


def _request(http: httpx.Client, former: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        answer = http.post(f"/v1/deputies/{former}/move", json=body)
    except httpx.HTTPError as error:
        failure = f"{http.base_url} does not answer ({type(error).__name__}): {error}"
        hint = "name it with --api or PEYGIR_API, and run this again"
        raise ApiError(f"{failure}; {hint}") from error
    if answer.status_code in _RETRYABLE:
        raise _ApiBusy(f"{_reason(answer)}; run this again")
    if answer.is_error:
        raise ApiError(_reason(answer))
    document: Mapping[str, Any] = answer.json()
    return document


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"{answer.request.url}: {answer.status_code} {answer.text[:300]}"
    faults = "; ".join(f"{e['field']}: {e['detail']}" for e in problem.get("errors", ()))
    return f"{problem.get('title')}: {faults or problem.get('detail')}"


def _print_result(
    former: str, successor: str, moved: int, refused: list[dict[str, Any]], *, dry_run: bool
) -> None:
    verb = "would be moved" if dry_run else "moved"
    print(f"{moved} {verb} from {former} to {successor}, {len(refused)} refused")
    if refused:
        table = Table("resolution", "error", "why")
        for line in refused:
            table.add_row(line["resolution_id"], line["error"], line["message"])
        Console().print(table)
    if not dry_run and not refused:
        print(
            f"What still comes to {former}'s topic for them goes on to {successor} by itself, "
            f"as long as a worker serves {former}. To dissolve {former}: see docs/runbook.md."
        )


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=_console, transient=True)


def _fail(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    raise typer.Exit(_EXIT_API_ERROR)


if __name__ == "__main__":
    app(prog_name="python -m tools.deputy")

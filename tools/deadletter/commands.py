"""The commands of the tool."""

from __future__ import annotations

import asyncio
import getpass
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, TypeAlias

import typer
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from shared.contracts.services import ServiceName
from shared.runtime.settings import load
from tools.deadletter import mending, output
from tools.deadletter.book import Mended, Moved
from tools.deadletter.desk import DeadletterSettings, Desk, chosen, opened
from tools.deadletter.grouping import By, Entry, groups
from tools.deadletter.letters import BadOrigin, read_origin
from tools.deadletter.mending import LONGEST_REASON, NotMendable
from tools.deadletter.replaying import choose
from tools.deadletter.service import NoService, NotPaused
from tools.deadletter.session import edited, replay_all, sum_up
from tools.deadletter.topic import NoTopic, UnknownLetter

StateName: TypeAlias = Literal[
    "open", "mended", "waiting", "applied", "duplicate", "ignored", "refused", "discarded"
]

_REFUSALS = (
    BadOrigin,
    KafkaError,
    Moved,
    NoService,
    NoTopic,
    NotMendable,
    NotPaused,
    OSError,
    PyMongoError,
    UnknownLetter,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Work on the dead letters of a service. A letter is named by its origin, "
    "topic/partition/offset. Settings are PEYGIR_KAFKA_BOOTSTRAP_SERVERS, PEYGIR_MONGODB_URI, "
    "PEYGIR_NAMESPACE and PEYGIR_API.",
)

Of = Annotated[ServiceName, typer.Option("--service", help="Whose dead letters.")]
Api = Annotated[str, typer.Option(help="URL of the service's API; PEYGIR_API says it as well.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Letter = Annotated[str, typer.Argument(metavar="ORIGIN", help="topic/partition/offset")]
Who = Annotated[str, typer.Option(help="Your name; it is kept.")]
Why = Annotated[str, typer.Option(help="Your reason; it is kept.")]
Revision = Annotated[
    int | None,
    typer.Option(
        help="Only if the letter is at this revision, as `show` printed it; mends a mended one."
    ),
]
_DEFAULT: Final = "followups"


@app.command("list")
def list_letters(
    service: Of = _DEFAULT,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    group_by: Annotated[By, typer.Option(help="What forms a group.")] = "reason",
    state: Annotated[StateName | None, typer.Option(help="Only letters in this state.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Letters shown; JSON has all.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List each dead letter once, in groups, the newest first."""

    async def work(desk: Desk) -> None:
        found = [entry for entry in await desk.list() if _wanted(entry, reason, state)]
        formed = groups(found, group_by)
        if as_json:
            output.write_json(
                {
                    "groups": [output.group_document(group) for group in formed],
                    "letters": [output.entry_document(entry) for entry in found],
                }
            )
            return
        now = desk.clock.now()
        output.show_groups(formed, group_by, now)
        output.write("")
        output.show_entries(found[:limit], now)
        if len(found) > limit:
            output.write(f"{len(found) - limit} more; see --limit, --reason, --state")

    _run(service, api, getpass.getuser(), work)


@app.command()
def show(origin: Letter, service: Of = _DEFAULT, api: Api = "", as_json: Json = False) -> None:
    """Show a letter whole, the place of its error marked, and what became of it."""

    async def work(desk: Desk) -> None:
        notes, page = await desk.find(read_origin(origin))
        letter = await desk.letters.letter(notes)
        if as_json:
            output.write_json(output.letter_document(letter, page))
        else:
            output.show_letter(letter, page)

    _run(service, api, getpass.getuser(), work)


@app.command()
def mend(
    origin: Letter,
    who: Who,
    why: Why,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Also ce_type=… and the like; repeat."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A body to put in its place.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Change the body in $EDITOR.")] = False,
    revision: Revision = None,
    service: Of = _DEFAULT,
    api: Api = "",
) -> None:
    """Mend a letter. The original is never sent again; `replay` sends the mended one."""
    if not set_ and file is None and not edit:
        raise typer.BadParameter("one of --set, --file, --edit")
    _check_words(who, why)

    def change(before: Mended) -> Mended:
        after = before
        if file is not None:
            after = mending.set_body(after, file.read_bytes())
        if edit:
            after = edited(after)
        return mending.set_fields(after, set_ or ())

    async def work(desk: Desk) -> None:
        page = await desk.mend(read_origin(origin), change, why, revision)
        output.write(page.deeds[-1].difference)
        output.write(f"mended, revision {page.revision}; `replay {origin}` sends it")

    _run(service, api, who, work)


@app.command()
def discard(
    origin: Letter,
    who: Who,
    why: Why,
    revision: Revision = None,
    service: Of = _DEFAULT,
    api: Api = "",
) -> None:
    """Decide that a letter is never sent. It stays in its topic."""
    _check_words(who, why)

    async def work(desk: Desk) -> None:
        page = await desk.discard(read_origin(origin), why, revision)
        output.write(f"discarded, revision {page.revision}; it stays in its topic")

    _run(service, api, who, work)


@app.command()
def replay(
    origins: Annotated[list[str] | None, typer.Argument(metavar="ORIGIN…")] = None,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    count: Annotated[str, typer.Option(help="How many at most: 1, 5, 20, all.")] = "",
    rate: Annotated[float, typer.Option(min=0.01, max=1_000, help="Letters a second.")] = 5.0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 30.0,
    who: Annotated[str, typer.Option(help="Your name; by default your login.")] = "",
    service: Of = _DEFAULT,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Send letters back to their service and say what became of each; stops at the first error.

    Without ORIGIN it takes letters that are open, mended, or had no answer, the first first; those
    refused again wait to be mended or named. Repeating does no harm: what the service knows is a
    duplicate. Ctrl-C ends it after the letter in hand, and nothing is lost.
    """
    most = _count(count, named=bool(origins))

    async def work(desk: Desk) -> None:
        wanted = [read_origin(text) for text in origins or ()]
        await (
            desk.service.paused()
        )  # nothing is sent if the service could not say what became of it
        found = await desk.list()
        if wanted:
            letters = chosen(found, wanted)[:most]
        else:
            pages = {entry.notes.origin: entry.page for entry in found}
            letters = choose(
                [entry.notes for entry in found],
                lambda notes: pages[notes.origin],
                reason=reason,
                count=most,
            )
        results = await replay_all(desk, letters, rate, timeout, quiet=as_json)
        if as_json:
            output.write_json([output.replayed_document(replayed) for replayed in results])
        if code := sum_up(results, len(letters)):
            raise typer.Exit(code)

    _run(service, api, who or getpass.getuser(), work)


@app.command()
def resume(
    group: Annotated[str, typer.Option(help="Such as followups-civil.")],
    topic: Annotated[
        str,
        typer.Option(help="Only this topic, as `paused` prints it; by default all of the group."),
    ] = "",
    who: Annotated[str, typer.Option(help="Your name; by default your login.")] = "",
    service: Of = _DEFAULT,
    api: Api = "",
) -> None:
    """Let topics that a flood of refusals has paused go on."""

    async def work(desk: Desk) -> None:
        await desk.service.resume(desk.namespace + group, topic)
        output.write(f"{topic} of {group} goes on" if topic else f"{group} goes on")

    _run(service, api, who or getpass.getuser(), work)


@app.command()
def paused(service: Of = _DEFAULT, api: Api = "") -> None:
    """List the topics that a flood paused, each with the group that waits for it."""

    async def work(desk: Desk) -> None:
        rows = [
            (p.group.removeprefix(desk.namespace), p.since, p.reason, p.topic or "all")
            for p in await desk.service.paused()
        ]
        output.table("Paused topics", ("group", "since", "reason", "topic"), rows)

    _run(service, api, getpass.getuser(), work)


def _run(service: ServiceName, api: str, who: str, work: Callable[[Desk], Awaitable[None]]) -> None:
    """Do the work of a command at a desk; what it is refused is one line, and exit code 1."""
    settings = load(DeadletterSettings)
    if api:
        settings = settings.model_copy(update={"api": api})
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters is said in one line

    async def do() -> None:
        async with opened(settings, service, who) as desk:
            await work(desk)

    try:
        asyncio.run(do())
    except _REFUSALS as error:
        _fail(str(error) or type(error).__name__)


def _wanted(entry: Entry, reason: str | None, state: StateName | None) -> bool:
    of_state = state is None or entry.page.status.name.lower() == state
    return of_state and reason in {None, entry.notes.reason}


def _count(text: str, *, named: bool) -> int | None:
    if text == "all" or (not text and named):
        return None
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and int(text)):
        raise typer.BadParameter(f"--count is a number or all, not {text!r}")
    return int(text)


def _check_words(*words: str) -> None:
    for text in words:
        if not text.strip() or len(text) > LONGEST_REASON:
            raise typer.BadParameter(f"--who and --why have 1 to {LONGEST_REASON} characters")


def _fail(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)

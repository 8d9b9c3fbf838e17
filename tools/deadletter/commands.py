"""The commands of `./peygir deadletter`."""

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
from tools.deadletter.dead_letters import BadOrigin, parse_origin
from tools.deadletter.grouping import GroupBy, TriagedLetter, group_letters
from tools.deadletter.interaction import edit_body, replay_with_progress, report_totals
from tools.deadletter.mending import LONGEST_REASON, NotMendable
from tools.deadletter.replayer import select_by_default
from tools.deadletter.service_client import NotPaused, ServiceUnavailable
from tools.deadletter.topic import DeadLetterTopicMissing, UnknownDeadLetter
from tools.deadletter.triage import MessageContent, TriageConflict
from tools.deadletter.workspace import (
    DeadletterSettings,
    DeadLetterWorkspace,
    open_workspace,
    select_named,
)

StateName: TypeAlias = Literal[
    "open", "mended", "waiting", "applied", "duplicate", "ignored", "refused", "discarded"
]

_EXPECTED_ERRORS = (
    BadOrigin,
    KafkaError,
    TriageConflict,
    ServiceUnavailable,
    DeadLetterTopicMissing,
    NotMendable,
    NotPaused,
    OSError,
    PyMongoError,
    UnknownDeadLetter,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Work on the dead letters of a service. A letter is named by its origin, "
    "topic/partition/offset. Settings are PEYGIR_KAFKA_BOOTSTRAP_SERVERS, PEYGIR_MONGODB_URI, "
    "PEYGIR_NAMESPACE and PEYGIR_API.",
)

ServiceOption = Annotated[ServiceName, typer.Option("--service", help="Whose dead letters.")]
ApiOption = Annotated[str, typer.Option(help="URL of the service's API; by default PEYGIR_API.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
OriginArgument = Annotated[str, typer.Argument(metavar="ORIGIN", help="topic/partition/offset")]
WhoOption = Annotated[str, typer.Option(help="Your name; it is stored.")]
WhyOption = Annotated[str, typer.Option(help="Your reason; it is stored.")]
RevisionOption = Annotated[
    int | None,
    typer.Option(
        help="Only if the letter is at this revision, which `show` prints; needed to change a "
        "mended letter."
    ),
]
_DEFAULT: Final = "followups"


@app.command("list")
def list_letters(
    service: ServiceOption = _DEFAULT,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    group_by: Annotated[GroupBy, typer.Option(help="What a group shares.")] = "reason",
    state: Annotated[StateName | None, typer.Option(help="Only letters in this state.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Letters shown; JSON has all.")] = 50,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """List each dead letter once, in groups, the newest first."""

    async def work(workspace: DeadLetterWorkspace) -> None:
        found = [
            triaged for triaged in await workspace.list() if _is_selected(triaged, reason, state)
        ]
        groups = group_letters(found, group_by)
        if as_json:
            output.write_json(
                {
                    "groups": [output.group_document(group) for group in groups],
                    "letters": [output.summary_document(triaged) for triaged in found],
                }
            )
            return
        now = workspace.clock.now()
        output.print_groups(groups, group_by, now)
        output.write("")
        output.print_letters(found[:limit], now)
        if len(found) > limit:
            output.write(f"{len(found) - limit} more; see --limit, --reason, --state")

    _run(service, api, getpass.getuser(), work)


@app.command()
def show(
    origin: OriginArgument,
    service: ServiceOption = _DEFAULT,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a whole letter, with the position of its error and what operators did about it."""

    async def work(workspace: DeadLetterWorkspace) -> None:
        notes, triage = await workspace.find(parse_origin(origin))
        letter = await workspace.dead_letters.read(notes)
        if as_json:
            output.write_json(output.letter_document(letter, triage))
        else:
            output.print_letter(letter, triage)

    _run(service, api, getpass.getuser(), work)


@app.command()
def mend(
    origin: OriginArgument,
    who: WhoOption,
    why: WhyOption,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A field, or an attribute (ce_type=…); may be repeated.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with the new body.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Change the body in $EDITOR.")] = False,
    revision: RevisionOption = None,
    service: ServiceOption = _DEFAULT,
    api: ApiOption = "",
) -> None:
    """Mend a letter. The original is never sent again; `replay` sends the mended one."""
    if not set_ and file is None and not edit:
        raise typer.BadParameter("one of --set, --file, --edit")
    _check_lengths(who, why)

    def change(before: MessageContent) -> MessageContent:
        after = before
        if file is not None:
            after = mending.set_body(after, file.read_bytes())
        if edit:
            after = edit_body(after)
        return mending.set_fields(after, set_ or ())

    async def work(workspace: DeadLetterWorkspace) -> None:
        triage = await workspace.mend(parse_origin(origin), change, why, revision)
        output.write(triage.actions[-1].diff)
        output.write(f"mended, revision {triage.revision}; `replay {origin}` sends it")

    _run(service, api, who, work)


@app.command()
def discard(
    origin: OriginArgument,
    who: WhoOption,
    why: WhyOption,
    revision: RevisionOption = None,
    service: ServiceOption = _DEFAULT,
    api: ApiOption = "",
) -> None:
    """Decide that a letter is never sent. It stays in its topic."""
    _check_lengths(who, why)

    async def work(workspace: DeadLetterWorkspace) -> None:
        triage = await workspace.discard(parse_origin(origin), why, revision)
        output.write(f"discarded, revision {triage.revision}; it stays in its topic")

    _run(service, api, who, work)


@app.command()
def replay(
    origins: Annotated[list[str] | None, typer.Argument(metavar="ORIGIN…")] = None,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    count: Annotated[str, typer.Option(help="How many at most: 1, 5, 20, all.")] = "",
    rate: Annotated[float, typer.Option(min=0.01, max=1_000, help="Letters per second.")] = 5.0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 30.0,
    who: Annotated[str, typer.Option(help="Your name; by default your login.")] = "",
    service: ServiceOption = _DEFAULT,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send letters back to their service and print each result; stops at the first error.

    Without ORIGIN it takes letters that are open, are mended or had no answer, in the order in
    which they came to each partition. Letters that were refused again are sent only if they are
    named. It is safe to repeat: a message that the service knows is a duplicate. Ctrl-C ends it
    after the current letter; nothing is lost.
    """
    limit = _parse_count(count, named=bool(origins))

    async def work(workspace: DeadLetterWorkspace) -> None:
        named = [parse_origin(text) for text in origins or ()]
        # Fail before anything is sent if the service cannot be asked for the results.
        await workspace.service.paused()
        found = await workspace.list()
        if named:
            letters = select_named(found, named)[:limit]
        else:
            triages = {triaged.notes.origin: triaged.triage for triaged in found}
            letters = select_by_default(
                [triaged.notes for triaged in found],
                lambda notes: triages[notes.origin],
                reason=reason,
                count=limit,
            )
        results = await replay_with_progress(workspace, letters, rate, timeout, quiet=as_json)
        if as_json:
            output.write_json([output.result_document(result) for result in results])
        if code := report_totals(results, len(letters)):
            raise typer.Exit(code)

    _run(service, api, who or getpass.getuser(), work)


@app.command()
def resume(
    group: Annotated[str, typer.Option(help="The group, such as followups-civil.")],
    topic: Annotated[
        str,
        typer.Option(help="Only this topic, as `paused` prints it; by default all of the group."),
    ] = "",
    who: Annotated[str, typer.Option(help="Your name; by default your login.")] = "",
    service: ServiceOption = _DEFAULT,
    api: ApiOption = "",
) -> None:
    """Resume topics that a flood of refusals paused."""

    async def work(workspace: DeadLetterWorkspace) -> None:
        await workspace.service.resume(workspace.namespace + group, topic)
        output.write(f"{topic} of {group} goes on" if topic else f"{group} goes on")

    _run(service, api, who or getpass.getuser(), work)


@app.command()
def paused(service: ServiceOption = _DEFAULT, api: ApiOption = "") -> None:
    """List the topics that a flood paused, each with the group that does not read it."""

    async def work(workspace: DeadLetterWorkspace) -> None:
        rows = [
            (p.group.removeprefix(workspace.namespace), p.since, p.reason, p.topic or "all")
            for p in await workspace.service.paused()
        ]
        output.print_table("Paused topics", ("group", "since", "reason", "topic"), rows)

    _run(service, api, getpass.getuser(), work)


def _run(
    service: ServiceName, api: str, who: str, work: Callable[[DeadLetterWorkspace], Awaitable[None]]
) -> None:
    """Do the work of a command; an expected error is one line and exit code 1."""
    settings = load(DeadletterSettings)
    if api:
        settings = settings.model_copy(update={"api": api})
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # errors are one line

    async def do() -> None:
        async with open_workspace(settings, service, who) as workspace:
            await work(workspace)

    try:
        asyncio.run(do())
    except _EXPECTED_ERRORS as error:
        _fail(str(error) or type(error).__name__)


def _is_selected(triaged: TriagedLetter, reason: str | None, state: StateName | None) -> bool:
    has_state = state is None or triaged.triage.status.name.lower() == state
    return has_state and reason in {None, triaged.notes.reason}


def _parse_count(text: str, *, named: bool) -> int | None:
    if text == "all" or (not text and named):
        return None
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and int(text)):
        raise typer.BadParameter(f"--count is a number or all, not {text!r}")
    return int(text)


def _check_lengths(*texts: str) -> None:
    for text in texts:
        if not text.strip() or len(text) > LONGEST_REASON:
            raise typer.BadParameter(f"--who and --why have 1 to {LONGEST_REASON} characters")


def _fail(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)

"""The command line.

./peygir topics            create missing topics, verify the others
./peygir topics list       list the declared topics
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from shared.contracts.topics import Topics, TopicSpec
from shared.messaging.kafka.connection import connection_of
from shared.runtime.settings import load
from tools.topics.ensure import KafkaRefused, KafkaTimeout, TopicsReport, ensure
from tools.topics.settings import DeclaredSettings, TopicsSettings, copies


class _CreateByDefault(TyperGroup):
    """`create` is the default command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in {"--help", "-h"}):
            args = ["create", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_CreateByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Create the topics; without a command: create. "
    "Settings are PEYGIR_KAFKA_BOOTSTRAP_SERVERS, PEYGIR_KNOWN_DEPUTIES, PEYGIR_NAMESPACE, "
    "PEYGIR_ENV, PEYGIR_REPLICATION_FACTOR and PEYGIR_FEW_COPIES.",
)


@app.command()
def create(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done.")
    ] = False,
    alter: Annotated[
        bool, typer.Option("--alter", help="Also change config that has another value.")
    ] = False,
    replication_factor: Annotated[
        int | None,
        typer.Option(min=1, max=9, help="Copies of each partition; overrides the setting."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for Kafka.")] = 60.0,
) -> None:
    """Create missing topics, set missing config, and verify the rest.

    Exit code 1 if something still differs or fails.
    """
    settings = load(TopicsSettings)
    factor = copies(settings, replication_factor)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # errors are one line
    specs = Topics(settings.known_deputies, settings.namespace).all()
    try:
        report = asyncio.run(
            ensure(
                connection_of(settings),
                specs,
                say=_print_error,
                replication_factor=factor,
                alter=alter,
                dry_run=dry_run,
                timeout_seconds=timeout,
            )
        )
    except (KafkaTimeout, KafkaRefused) as error:
        _fail(str(error))
    _print_report(report, specs, dry_run=dry_run)
    if report.faults:
        raise typer.Exit(1)


@app.command("list")
def list_declared() -> None:
    """List the declared topics: name, partitions, key and owner."""
    settings = load(DeclaredSettings)
    specs = Topics(settings.known_deputies, settings.namespace).all()
    width = max(len(spec.name) for spec in specs)
    for spec in specs:
        print(f"{spec.name:{width}}  {spec.partitions}  {spec.key:16}  {spec.owner}")


def _print_report(report: TopicsReport, specs: Sequence[TopicSpec], *, dry_run: bool) -> None:
    verb = "would create" if dry_run else "created"
    change = "would alter" if dry_run else "altered"
    for name in report.created:
        print(f"{verb} {name}")
    for name in report.altered:
        print(f"{change} {name}")
    for fault in report.faults:
        _print_error(fault)
    existing = len(specs) - len(report.created)
    print(
        f"{len(specs)} topics: {verb} {len(report.created)} "
        f"(replication factor {report.replication_factor}), {existing} were there, "
        f"{change} {len(report.altered)}, {len(report.faults)} differences"
    )


def _print_error(line: str) -> None:
    typer.echo(line, err=True)


def _fail(line: str) -> NoReturn:
    _print_error(line)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()

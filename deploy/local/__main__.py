"""The local runner's command line: `python -m deploy.local --help`."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from deploy.local.archive import archive_classes
from deploy.local.kafka import NoKafka
from deploy.local.layout import PROJECT, BadLayout, layout_from, parts_from
from deploy.local.mongod import NoMongod, find_mongod
from deploy.local.parent_death import die_with_parent
from deploy.local.parts import PartFailed
from deploy.local.toxiproxy import NoToxiproxy, build
from deploy.local.up import AlreadyRunning, CannotStart, check_environment, describe_running, run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Runs Peygir with a real Kafka and a real MongoDB on this machine.",
)


@app.command()
def up(
    *,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when the process that started this ends.")
    ] = False,
) -> None:
    """Start Kafka, MongoDB and every service, and keep them running; Ctrl-C stops them.

    PEYGIR_LOCAL_DIR (default .local) is where data, logs and process ids are. PEYGIR_PORT_OFFSET
    is added to every port. PEYGIR_PARTS names the parts to start, such as kafka,mongod; by default
    every part is started. PEYGIR_LOCAL_NODES=3 starts three brokers and a replica set of three
    members (kafka-1 to mongod-3, which PEYGIR_PARTS may name one by one). PEYGIR_SECURE=1 runs
    production on this machine: TLS, users and rights, Keycloak (fetched the first time), and data
    of its own.
    """
    if with_parent:
        die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        check_environment(os.environ)
        layout = layout_from(os.environ)
        parts = parts_from(os.environ)
    except (BadLayout, CannotStart) as error:
        _refuse(str(error), code=2)
    try:
        run(layout, parts, Console())
    except AlreadyRunning:
        typer.echo(describe_running(layout))
    except CannotStart as error:
        _refuse(str(error), code=1)


@app.command()
def setup_check() -> None:
    """Say in one line what is missing on this machine; exits 1 then."""
    script = PROJECT / "deploy" / "local" / "setup.sh"
    if subprocess.run(("/bin/sh", str(script), "check"), check=False).returncode != 0:
        raise typer.Exit(1)
    try:
        layout = layout_from(os.environ)
        mongod = find_mongod()
    except BadLayout as error:
        _refuse(str(error), code=2)
    except NoMongod as error:
        _refuse(str(error), code=1)
    if not layout.kafka_jars.is_dir():
        _refuse("Kafka's jars are missing; run `make setup`", code=1)
    done = subprocess.run((str(mongod), "--version"), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        _refuse(f"mongod does not run here: {done.stderr.strip()}", code=1)
    typer.echo(f"complete: {done.stdout.splitlines()[0]}, Kafka in {layout.kafka_jars.parent}")


@app.command(hidden=True)
def build_toxiproxy() -> None:
    """Build toxiproxy, which makes networks fail in tests; without Go those tests are skipped."""
    try:
        layout = layout_from(os.environ)
        layout.make_folders()
        build(layout.cache)
    except BadLayout as error:
        _refuse(str(error), code=2)
    except NoToxiproxy as error:
        typer.echo(f"networks that fail are not tested: {error}", err=True)


@app.command(hidden=True)
def archive_kafka_classes() -> None:
    """Let Kafka start faster from now on; a step of the set-up."""
    try:
        archive_classes(layout_from(os.environ).cache)
    except (BadLayout, NoKafka, PartFailed) as error:
        _refuse(str(error), code=1)


def _refuse(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()

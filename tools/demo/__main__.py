"""`python -m tools.demo`: replays the 1402 season on an installation of its own, and checks it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Final, NoReturn

import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from rich.console import Console

from deploy.local.cluster import Cluster
from deploy.local.kafka import NoKafka
from deploy.local.kafka_access import AccessFailed
from deploy.local.keycloak import NoKeycloak
from deploy.local.keycloak_admin import AdminFailed
from deploy.local.layout import BadLayout
from deploy.local.mongod import NoMongod
from deploy.local.parts import PartFailed
from deploy.local.ports import NoFreePorts
from deploy.local.services import TopicsFailed
from shared.contracts.reference import DEPUTIES
from shared.contracts.services import SERVICES
from shared.contracts.topics import Topics
from shared.runtime import mongo
from shared.runtime.simulation import SimulatedDomainClock
from tools.demo import replay
from tools.demo.checks import check_all, digest
from tools.demo.clients import UnexpectedResponse
from tools.demo.evidence import Evidence, gather
from tools.demo.oracle import expect
from tools.demo.quiescence import MongoDatabases, QuiescenceProbe, QuiescenceTimeout
from tools.demo.scorecards import scorecards
from tools.demo.screen import Screen
from tools.demo.script import SESSIONS, Script, write_script
from tools.demo.stage import (
    clients_of,
    ended_services,
    kafka_of,
    mail_folder,
    mongodb_of,
    stage,
)

_TABLE_WIDTH: Final = 110  # in columns, if the width of the output is not known
_SETUP_ERRORS: Final = (
    AccessFailed,
    AdminFailed,
    BadLayout,
    NoFreePorts,
    NoKafka,
    NoKeycloak,
    NoMongod,
    PartFailed,
    TopicsFailed,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Another seed is another season.")] = 1402,
    sessions: Annotated[
        int, typer.Option(min=1, max=SESSIONS, help="How many sessions take place.")
    ] = SESSIONS,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep data and logs until the next demo.")
    ] = False,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure", help="With TLS, users, rights, signed events and Keycloak's tokens."
        ),
    ] = False,
) -> None:
    """Replay the whole 1402 season end to end in simulated time, and check what came of it.

    Kafka, MongoDB, the services and the mail catcher run on free ports in a fresh folder of their
    own, which is removed at the end if all is well. Exit code 0 if so; 1 if the replay or a check
    fails, with the reasons; 2 if the demo can't be set up.
    """
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGHUP, _exit)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    screen = Screen(_console())
    script = write_script(seed, sessions)
    began = time.monotonic()
    folder = None
    kept = True
    try:
        with stage(secured=secure) as cluster:
            folder = cluster.layout.root
            screen.say(f"Kafka {cluster.bootstrap}, MongoDB {cluster.mongodb_uri}, in {folder}")
            reasons = asyncio.run(_play(script, cluster, screen))
            kept = keep or bool(reasons)
    except (KeyboardInterrupt, SystemExit):
        kept = keep
        raise
    except _SETUP_ERRORS as error:
        _fail(screen, 2, [f"can't be set up: {error}"])
    finally:
        if folder is not None and not kept:
            shutil.rmtree(folder, ignore_errors=True)
    screen.say(f"seed {seed}, {time.monotonic() - began:.0f} s")
    if reasons:
        _fail(screen, 1, [*reasons, f"data and logs are kept until the next demo: {folder}/log"])


async def _play(script: Script, cluster: Cluster, screen: Screen) -> Sequence[str]:
    """Replay the script, gather the evidence and check it; return the reasons of a failure."""
    topics = Topics(deputy.id for deputy in DEPUTIES)
    mongodb = mongodb_of(cluster)
    clock_client = mongo.connect(mongodb, app="demo", wait_ms=10_000)
    probe_client: MongoDatabases = MongoClient(mongodb, tz_aware=True)
    kafka = kafka_of(cluster)
    consumer = AIOKafkaConsumer(**kafka.options(), group_id=None, enable_auto_commit=False)
    probe = QuiescenceProbe(probe_client, consumer, topics)
    clock = SimulatedDomainClock(clock_client, "")
    await clock.set(script.begins_at)
    await asyncio.to_thread(cluster.start, *SERVICES)
    await consumer.start()
    try:
        async with clients_of(cluster) as services:
            with screen.replaying(script) as shown:
                season = replay.Replay(script, clock, probe, services, shown.show)
                progress = await season.run()
            evidence = await gather(consumer, topics, services, probe, mail_folder(cluster))
    except (UnexpectedResponse, QuiescenceTimeout, KafkaError, PyMongoError) as error:
        ended = [f"{name} has ended" for name in ended_services(cluster)]
        return [f"{type(error).__name__}: {error}", *ended]
    finally:
        await consumer.stop()
        clock_client.close()
        probe_client.close()
    return _check(script, evidence, progress, screen)


def _check(
    script: Script, evidence: Evidence, progress: replay.Progress, screen: Screen
) -> Sequence[str]:
    """Check the evidence and print the tables; return a line for each check that fails."""
    checks = check_all(expect(script), evidence)
    screen.totals(script, evidence, progress)
    screen.scorecards(scorecards(evidence))
    screen.checks(checks)
    screen.say(f"digest {digest(evidence)}")
    return [f"{check.name}: {len(check.faults)} faults" for check in checks if not check.ok]


def _console() -> Console:
    """A console that is wide enough for the tables, even if it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_TABLE_WIDTH)


def _fail(screen: Screen, code: int, reasons: Sequence[str]) -> NoReturn:
    for reason in reasons:
        screen.say(reason)
    raise typer.Exit(code)


def _exit(number: int, _frame: object) -> NoReturn:
    """End as after Ctrl-C, so that everything that was started is stopped too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    app()

"""`python -m tools.demo`: replays the 1402 season on an installation of its own, and checks it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from rich.console import Console

from deploy.local.cluster import Cluster
from deploy.local.kafka import NoKafka
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
from tools.demo.clients import Services, Unwanted
from tools.demo.evidence import Evidence, gather
from tools.demo.expectation import expect
from tools.demo.lives import DESK
from tools.demo.quiet import Mongo, NotQuiet, Quiet
from tools.demo.scores import check_scorecards, scorecards
from tools.demo.screen import Screen
from tools.demo.script import SESSIONS, Script, write
from tools.demo.stage import fallen, mail_folder, stage

_NARROWEST = 110
_TROUBLE = (PartFailed, NoKafka, NoMongod, NoFreePorts, TopicsFailed, BadLayout)

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
) -> None:
    """Replay the whole 1402 season end to end in simulated time, and check what came of it.

    Kafka, MongoDB, the services and the mail catcher run on free ports in a fresh folder of their
    own, which goes with them where all is well. Exit code 0; 1 where a check fails or the replay
    does, with the reasons; 2 where it can't be set up.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    screen = Screen(_console())
    script = write(seed, sessions)
    began = time.monotonic()
    folder = None
    kept = True
    try:
        with stage() as cluster:
            folder = cluster.layout.root
            screen.say(f"Kafka {cluster.bootstrap}, MongoDB {cluster.mongodb_uri}, in {folder}")
            reasons = asyncio.run(_play(script, cluster, screen))
            kept = keep or bool(reasons)
    except (KeyboardInterrupt, SystemExit):
        kept = keep
        raise
    except _TROUBLE as trouble:
        _fail(screen, 2, [f"can't be set up: {trouble}"])
    finally:
        if folder is not None and not kept:
            shutil.rmtree(folder, ignore_errors=True)
    screen.say(f"seed {seed}, {time.monotonic() - began:.0f} s")
    if reasons:
        _fail(screen, 1, [*reasons, f"data and logs are kept until the next demo: {folder}/log"])


async def _play(script: Script, cluster: Cluster, screen: Screen) -> Sequence[str]:
    """Replay, gather, check and show; return the reasons for which it is not in order."""
    topics = Topics(deputy.id for deputy in DEPUTIES)
    client = mongo.connect(cluster.mongodb_uri, app="demo", wait_ms=10_000)
    looking: Mongo = MongoClient(cluster.mongodb_uri, tz_aware=True)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap, group_id=None, enable_auto_commit=False
    )
    clock = SimulatedDomainClock(client, "")
    await clock.set(script.begins_at)
    await asyncio.to_thread(cluster.start, *SERVICES)
    await consumer.start()
    try:
        async with Services({name: cluster.address(name) for name in SERVICES}) as services:
            with screen.replaying(script) as shown:
                quiet = Quiet(looking, consumer, topics)
                play = replay.Replay(script, clock, quiet, services, shown.show)
                steps = await play.run()
            told = await services.get("followups", "/scorecards", DESK)
        evidence = await gather(consumer, topics, looking, mail_folder(cluster))
    except (Unwanted, NotQuiet, KafkaError, PyMongoError) as error:
        down = [f"{name} has ended" for name in fallen(cluster)]
        return [f"{type(error).__name__}: {error}", *down]
    finally:
        await consumer.stop()
        client.close()
        looking.close()
    return _judge(script, evidence, told, steps, screen)


def _judge(
    script: Script,
    evidence: Evidence,
    told: Mapping[str, Any],
    steps: replay.Progress,
    screen: Screen,
) -> Sequence[str]:
    scores = scorecards(evidence)
    checks = (*check_all(expect(script), evidence), check_scorecards(scores, told))
    screen.totals(script, evidence, steps)
    screen.scores(scores)
    screen.checks(checks)
    screen.say(f"digest {digest(evidence)}")
    return [f"{check.name}: {len(check.faults)} faults" for check in checks if not check.ok]


def _console() -> Console:
    """As wide as the tables need where nobody says how wide it is."""
    console = Console()
    return console if console.is_terminal else Console(width=_NARROWEST)


def _fail(screen: Screen, code: int, reasons: Sequence[str]) -> NoReturn:
    for reason in reasons:
        screen.say(reason)
    raise typer.Exit(code)


def _leave(number: int, _frame: object) -> NoReturn:
    """End as after Ctrl-C, so that everything that was started ends too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    app()

"""Creates the topics; no client does. Safe to repeat: the existing ones are verified.

python -m tools.topics            create what is missing, verify the rest
python -m tools.topics list       the declared topics
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)
from pydantic import Field, field_validator
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed
from typer.core import TyperGroup

from shared.contracts.topics import Topics, TopicSpec
from shared.runtime.settings import CommonSettings, load

_PAUSE_SECONDS: Final = 0.25
_ANSWER_MS: Final = 10_000
_OF_THE_TOPIC: Final = 1  # Kafka's DYNAMIC_TOPIC_CONFIG: set on the topic itself


class TopicsSettings(CommonSettings):
    """What the job is told. It serves nobody, so that it needs no identity in production."""

    replication_factor: int | None = Field(
        None, ge=1, le=9, description="Copies of a partition; by default 1 on one broker, else 3."
    )

    @field_validator("env")
    @classmethod
    def _never_open(cls, env: str) -> str:
        return env


class NoAnswer(Exception):
    """Kafka did not do in time what it was asked for; the message says what and why."""


class Refused(Exception):
    """Kafka refuses a topic or its config; the message names them."""


class NotYet(Exception):
    """The cluster is starting; ask again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is: its partitions, all of its config, and what of that was set on itself."""

    partitions: int
    config: Mapping[str, str | None]
    own: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the topics, and what still differs from what is declared."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    faults: tuple[str, ...]
    replication_factor: int


async def ensure(
    bootstrap: str,
    specs: Sequence[TopicSpec],
    *,
    replication_factor: int | None = None,
    alter: bool = False,
    dry_run: bool = False,
    timeout_seconds: float = 60.0,
) -> Report:
    """Create the topics that are missing and compare the others.

    A dry run asks the broker whether it would create them. Raises NoAnswer and Refused.
    """
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    async with _connected(bootstrap, timeout_seconds) as admin:
        try:
            async with asyncio.timeout_at(deadline + _ANSWER_MS / 1_000):
                factor = replication_factor or await _usual_factor(admin)
                created = await _create(admin, specs, factor, dry_run=dry_run, deadline=deadline)
                there = [spec for spec in specs if spec.name not in created]
                found = await _find(admin, there)
                altered: tuple[str, ...] = ()
                if alter and not dry_run:
                    altered = await _alter(admin, there, found)
                    found |= await _find(admin, [spec for spec in there if spec.name in altered])
        except (TimeoutError, KafkaError, NotYet) as error:
            raise NoAnswer(
                f"Kafka at {bootstrap} did not finish within {timeout_seconds:g} s: "
                f"{error or 'no answer'}"
            ) from error
    faults = tuple(fault for spec in there for fault in faults_of(spec, found[spec.name]))
    return Report(created, altered, faults, factor)


def faults_of(spec: TopicSpec, found: Found) -> list[str]:
    """Where a topic is not as declared, and what to do about it. More config is no fault."""
    faults = []
    if found.partitions != spec.partitions:
        faults.append(
            f"{spec.name} has {found.partitions} partitions, declared are {spec.partitions}: "
            "the order of a key hangs on their number, so it is not changed here; delete the "
            "topic if it is empty and run this again, else copy its records into one made anew"
        )
    faults += [
        f"{spec.name} has {key}={found.config.get(key)}, declared is {value}: "
        "run this again with --alter"
        for key, value in _differing(spec, found).items()
    ]
    return faults


@asynccontextmanager
async def _connected(bootstrap: str, timeout_seconds: float) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client of a Kafka that answers; waits for it, and says so once. Raises NoAnswer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_ANSWER_MS)
    told = False
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    await admin.start()
                    break
                except (KafkaError, OSError):
                    if not told:
                        told = True
                        _say(f"waiting for Kafka at {bootstrap}, up to {timeout_seconds:g} s")
                    await asyncio.sleep(_PAUSE_SECONDS)
        yield admin
    except TimeoutError as error:
        raise NoAnswer(
            f"no answer from Kafka at {bootstrap} within {timeout_seconds:g} s"
        ) from error
    finally:
        await admin.close()


async def _usual_factor(admin: AIOKafkaAdminClient) -> int:
    brokers = (await admin.describe_cluster())["brokers"]
    return 1 if len(brokers) == 1 else 3


async def _create(
    admin: AIOKafkaAdminClient,
    specs: Sequence[TopicSpec],
    factor: int,
    *,
    dry_run: bool,
    deadline: float,
) -> tuple[str, ...]:
    """Create those that are missing; their names. Another job may be doing the same."""
    created: tuple[str, ...] = ()
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(NotYet),
        wait=wait_fixed(_PAUSE_SECONDS),
        stop=stop_after_delay(max(deadline - asyncio.get_running_loop().time(), 0.0)),
        reraise=True,
    ):
        with attempt:
            there = set(await admin.list_topics())
            missing = [spec for spec in specs if spec.name not in there]
            created += await _create_once(admin, missing, factor, dry_run=dry_run)
    return created


async def _create_once(
    admin: AIOKafkaAdminClient, missing: Sequence[TopicSpec], factor: int, *, dry_run: bool
) -> tuple[str, ...]:
    if not missing:
        return ()
    wanted = [
        NewTopic(spec.name, spec.partitions, factor, topic_configs=dict(spec.config))
        for spec in missing
    ]
    answer = (await admin.create_topics(wanted, validate_only=dry_run)).to_object()
    created = []
    for topic in answer["topic_errors"]:
        error = for_code(topic["error_code"])
        if error is NoError:
            created.append(topic["topic"])
        elif error is TopicAlreadyExistsError:
            continue
        elif error.retriable or error is InvalidReplicationFactorError:
            # The latter is also said by a cluster whose brokers are still coming.
            raise NotYet(f"{topic['topic']}: {topic['error_message'] or error.description}")
        else:
            raise Refused(f"{topic['topic']}: {topic['error_message'] or error.description}")
    return tuple(created)


async def _find(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, Found]:
    if not specs:
        return {}
    names = {spec.name for spec in specs}
    partitions = {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["topic"] in names
    }
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    )
    found = {}
    for resource in (r for answer in answers for r in answer.to_object()["resources"]):
        name, entries = resource["resource_name"], resource["config_entries"]
        _refuse(name, resource)
        found[name] = Found(
            partitions[name],
            {entry["config_names"]: entry["config_value"] for entry in entries},
            {
                entry["config_names"]: entry["config_value"]
                for entry in entries
                if entry["config_source"] == _OF_THE_TOPIC
            },
        )
    return found


async def _alter(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], found: Mapping[str, Found]
) -> tuple[str, ...]:
    """Set what differs; their names. What else is set on a topic is sent along, to stay."""
    differing = [spec for spec in specs if _differing(spec, found[spec.name])]
    if differing:
        answers = await admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, s.name, {**found[s.name].own, **s.config})
                for s in differing
            ]
        )
        for resource in (r for answer in answers for r in answer.to_object()["resources"]):
            _refuse(resource["resource_name"], resource)
    return tuple(spec.name for spec in differing)


def _differing(spec: TopicSpec, found: Found) -> dict[str, str]:
    return {key: value for key, value in spec.config.items() if found.config.get(key) != value}


def _refuse(name: str, resource: Mapping[str, Any]) -> None:
    error = for_code(resource["error_code"])
    if error is not NoError:
        raise Refused(f"{name}: {resource['error_message'] or error.description}")


class _CreateByDefault(TyperGroup):
    """`create` is what is meant where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in {"--help", "-h"}):
            args = ["create", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_CreateByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Create the topics; without a command: create. "
    "Settings are PEYGIR_KAFKA_BOOTSTRAP_SERVERS, PEYGIR_KNOWN_DEPUTIES, PEYGIR_NAMESPACE and "
    "PEYGIR_REPLICATION_FACTOR.",
)


@app.command()
def create(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    alter: Annotated[
        bool, typer.Option("--alter", help="Set config values that differ from the declared ones.")
    ] = False,
    replication_factor: Annotated[
        int | None,
        typer.Option(min=1, max=9, help="Copies of a partition; 1 on one broker, else 3."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for Kafka.")] = 60.0,
) -> None:
    """Create what is missing and verify the rest. Exit code 1 where something differs or fails."""
    settings = load(TopicsSettings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters is said in one line
    specs = Topics(settings.known_deputies, settings.namespace).all()
    try:
        report = asyncio.run(
            ensure(
                settings.kafka_bootstrap_servers,
                specs,
                replication_factor=replication_factor or settings.replication_factor,
                alter=alter,
                dry_run=dry_run,
                timeout_seconds=timeout,
            )
        )
    except (NoAnswer, Refused) as error:
        _fail(str(error))
    _tell(report, specs, dry_run=dry_run)
    if report.faults:
        raise typer.Exit(1)


@app.command("list")
def list_declared() -> None:
    """List the declared topics: name, partitions, key and owner."""
    settings = load(TopicsSettings)
    specs = Topics(settings.known_deputies, settings.namespace).all()
    width = max(len(spec.name) for spec in specs)
    for spec in specs:
        print(f"{spec.name:{width}}  {spec.partitions}  {spec.key:16}  {spec.owner}")


def _tell(report: Report, specs: Sequence[TopicSpec], *, dry_run: bool) -> None:
    verb = "would create" if dry_run else "created"
    for name in report.created:
        print(f"{verb} {name}")
    for name in report.altered:
        print(f"altered {name}")
    for fault in report.faults:
        _say(fault)
    there = len(specs) - len(report.created)
    print(
        f"{len(specs)} topics: {verb} {len(report.created)} "
        f"(replication factor {report.replication_factor}), {there} were there, "
        f"{len(report.altered)} altered, {len(report.faults)} differences"
    )


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _fail(line: str) -> NoReturn:
    _say(line)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()

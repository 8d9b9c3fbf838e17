"""Creates and configures the topics of a cluster as declared, and reports differences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from shared.contracts.topics import TopicSpec
from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.connection import KafkaConnection

_PAUSE_SECONDS: Final = 0.25
_ANSWER_MS: Final = 10_000
_DYNAMIC_TOPIC_CONFIG: Final = 1  # Kafka's number for config that is set on the topic itself


class KafkaTimeout(Exception):
    """Kafka did not finish a request in time; the message says which and why."""


class KafkaRefused(Exception):
    """Kafka refuses a topic or its config; the message names both."""


class ClusterNotReady(Exception):
    """The brokers are starting, or do not know a change yet; try again."""


@dataclass(frozen=True, slots=True)
class ExistingTopic:
    """A topic as it exists on the cluster."""

    copies: tuple[int, ...]  # of each partition
    config: Mapping[str, str | None]  # with the defaults of the brokers
    own: Mapping[str, str | None]  # only what is set on the topic itself

    def declared(self, spec: TopicSpec, factor: int | None) -> dict[str, str]:
        """Return the declared config for the copies that it has.

        While a partition moves, its old and new copies both count, so there can be more than the
        replication factor.
        """
        fewest = min(self.copies)
        return spec.config_with(fewest if factor is None else min(fewest, factor))

    def differing(self, spec: TopicSpec, factor: int | None) -> dict[str, str]:
        """Return the config to change, with the declared values."""
        declared = self.declared(spec, factor)
        return {key: value for key, value in declared.items() if self.config.get(key) != value}


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What was created and altered, and what still differs from the declaration."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    faults: tuple[str, ...]
    replication_factor: int


async def ensure(
    kafka: KafkaConnection,
    specs: Sequence[TopicSpec],
    *,
    say: Callable[[str], None],
    replication_factor: int | None = None,
    alter: bool = False,
    dry_run: bool = False,
    timeout_seconds: float = 60.0,
) -> TopicsReport:
    """Create missing topics, set missing config on the others, and report differences.

    One broker of `kafka` that answers is enough. Without a `replication_factor`, new
    topics get one copy on a single broker, else three, and existing topics keep their copies.
    Declared config that is not set on the topic itself is set. Config that somebody has set there
    to another value is changed only with `alter`. `say` gets a line to print if Kafka has to be
    waited for. A dry run only asks the broker whether it would create the topics.

    Raises KafkaTimeout and KafkaRefused.
    """
    addresses = ", ".join(kafka.servers)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    async with _connected(kafka, timeout_seconds, say) as admin:
        reconciler = _TopicReconciler(
            admin, specs, replication_factor, alter=alter and not dry_run, dry_run=dry_run
        )
        try:
            async with asyncio.timeout_at(deadline + _ANSWER_MS / 1_000):
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type((ClusterNotReady, KafkaError)),
                    wait=wait_fixed(_PAUSE_SECONDS),
                    stop=stop_after_delay(max(deadline - asyncio.get_running_loop().time(), 0.0)),
                    reraise=True,
                ):
                    with attempt:
                        return await reconciler.run()
        except (TimeoutError, KafkaError, ClusterNotReady) as error:
            reason = str(error) or "no answer"
            raise KafkaTimeout(
                f"Kafka at {addresses} did not finish within {timeout_seconds:g} s: {reason}"
            ) from error
    raise AssertionError("a retry ends with a result or an error")


def faults_of(spec: TopicSpec, found: ExistingTopic, factor: int | None = None) -> list[str]:
    """Return how a topic differs from its declaration, and what to do about it.

    Config that is not declared is not compared. `factor` is the number of copies that each
    partition has to have; without it, any number is accepted.
    """
    faults = []
    if len(found.copies) != spec.partitions:
        faults.append(
            f"{spec.name} has {len(found.copies)} partitions, declared are {spec.partitions}: "
            "the order of a key depends on their number, so it is not changed here; delete the "
            "topic if it is empty and run this again, else copy its records into a new one"
        )
    others = sorted({copies for copies in found.copies if copies != factor})
    if factor is not None and others:
        faults.append(
            f"{spec.name} has replication factor {' and '.join(map(str, others))}, declared is "
            f"{factor}: change it with kafka-reassign-partitions, then run this again"
        )
    faults += [
        f"{spec.name} has {key}={found.config.get(key)}, declared is {value}: "
        "run this again with --alter"
        for key, value in found.differing(spec, factor).items()
    ]
    return faults


@asynccontextmanager
async def _connected(
    kafka: KafkaConnection, timeout_seconds: float, say: Callable[[str], None]
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Wait for Kafka and return a connected client; `say` gets one line if it has to wait.

    Raises KafkaTimeout.
    """
    admin = AIOKafkaAdminClient(**kafka.options(), request_timeout_ms=_ANSWER_MS)
    addresses = ", ".join(kafka.servers)
    has_said = False
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    await kafka.start(admin)
                    break
                except NotAuthenticated as error:
                    raise KafkaRefused(str(error)) from error
                except (KafkaError, OSError):
                    if not has_said:
                        has_said = True
                        say(f"waiting for Kafka at {addresses}, up to {timeout_seconds:g} s")
                    await asyncio.sleep(_PAUSE_SECONDS)
        yield admin
    except TimeoutError as error:
        raise KafkaTimeout(
            f"no answer from Kafka at {addresses} within {timeout_seconds:g} s"
        ) from error
    finally:
        await admin.close()


class _TopicReconciler:
    """Creates and alters the topics; after a failure, `run` may be called again."""

    def __init__(
        self,
        admin: AIOKafkaAdminClient,
        specs: Sequence[TopicSpec],
        factor: int | None,
        *,
        alter: bool,
        dry_run: bool,
    ) -> None:
        self._admin = admin
        self._specs = specs
        self._factor = factor
        self._alter = alter
        self._dry_run = dry_run
        self._created: list[str] = []
        self._altered: list[str] = []

    async def run(self) -> TopicsReport:
        factor = self._factor or await self._default_factor()
        await self._create(factor)
        # New topics are checked too: some brokers learn of them a moment later, but services that
        # start after this command need them at once.
        existing = [s for s in self._specs if not (self._dry_run and s.name in self._created)]
        found = await self._with_declared_config(existing, await self._find(existing))
        faults = [
            fault for spec in existing for fault in faults_of(spec, found[spec.name], self._factor)
        ]
        return TopicsReport(tuple(self._created), tuple(self._altered), tuple(faults), factor)

    async def _default_factor(self) -> int:
        brokers = (await self._admin.describe_cluster())["brokers"]
        return 1 if len(brokers) == 1 else 3

    async def _create(self, factor: int) -> None:
        """Create the missing topics. Another process may do the same at the same time."""
        existing = {*await self._admin.list_topics(), *self._created}
        missing = [spec for spec in self._specs if spec.name not in existing]
        if not missing:
            return
        new_topics = [
            NewTopic(spec.name, spec.partitions, factor, topic_configs=spec.config_with(factor))
            for spec in missing
        ]
        answer = await self._admin.create_topics(new_topics, validate_only=self._dry_run)
        errors: list[ClusterNotReady | KafkaRefused] = []
        for topic in answer.to_object()["topic_errors"]:
            error = for_code(topic["error_code"])
            reason = f"{topic['topic']}: {topic['error_message'] or error.description}"
            if error is NoError:
                self._created.append(topic["topic"])
            elif error.retriable or error is InvalidReplicationFactorError:
                # Kafka also answers the latter while some brokers are still starting.
                errors.append(ClusterNotReady(reason))
            elif error is not TopicAlreadyExistsError:
                errors.append(KafkaRefused(reason))
        if errors:
            raise errors[0]

    async def _find(self, specs: Sequence[TopicSpec]) -> dict[str, ExistingTopic]:
        if not specs:
            return {}
        copies = {
            topic["topic"]: tuple(len(part["replicas"]) for part in topic["partitions"])
            for topic in await self._admin.describe_topics()
        }
        answers = await self._admin.describe_configs([_resource(spec.name) for spec in specs])
        found = {}
        for resource in _resources(answers):
            name, entries = resource["resource_name"], resource["config_entries"]
            if not copies.get(name):
                raise ClusterNotReady(f"{name}: not every broker knows it")
            own = [entry for entry in entries if entry["config_source"] == _DYNAMIC_TOPIC_CONFIG]
            found[name] = ExistingTopic(copies[name], _values(entries), _values(own))
        return found

    async def _with_declared_config(
        self, specs: Sequence[TopicSpec], found: Mapping[str, ExistingTopic]
    ) -> Mapping[str, ExistingTopic]:
        """Set the config that differs and may be changed; return the topics after that."""
        changes = {
            spec.name: change for spec in specs if (change := self._change(spec, found[spec.name]))
        }
        if not changes:
            return found
        self._altered += [name for name in changes if name not in self._altered]
        if self._dry_run:
            return {**found, **{name: _changed(found[name], changes[name]) for name in changes}}
        # Kafka unsets whatever the request does not list, so it lists all that is set.
        answers = await self._admin.alter_configs(
            [_resource(name, {**found[name].own, **change}) for name, change in changes.items()]
        )
        list(_resources(answers))
        current = await self._find(specs)
        for name, change in changes.items():
            if not change.items() <= current[name].config.items():
                raise ClusterNotReady(f"{name}: not every broker knows its config")
        return current

    def _change(self, spec: TopicSpec, found: ExistingTopic) -> dict[str, str]:
        differing = found.differing(spec, self._factor)
        if self._alter:
            return differing
        return {key: value for key, value in differing.items() if key not in found.own}


def _changed(found: ExistingTopic, change: Mapping[str, str]) -> ExistingTopic:
    return replace(found, config={**found.config, **change})


def _resource(name: str, config: Mapping[str, str | None] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, config)


def _resources(answers: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the topics of answers about config. Raises ClusterNotReady and KafkaRefused."""
    for resource in (each for answer in answers for each in answer.to_object()["resources"]):
        error = for_code(resource["error_code"])
        if error is not NoError:
            error_type = ClusterNotReady if error.retriable else KafkaRefused
            reason = resource["error_message"] or error.description
            raise error_type(f"{resource['resource_name']}: {reason}")
        yield resource


def _values(entries: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    return {entry["config_names"]: entry["config_value"] for entry in entries}

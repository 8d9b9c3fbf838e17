"""Brings the topics of a Kafka to their declaration, and reports differences."""

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

_PAUSE_SECONDS: Final = 0.25
_ANSWER_MS: Final = 10_000
_OF_THE_TOPIC: Final = 1  # Kafka's DYNAMIC_TOPIC_CONFIG: set on the topic itself


class NoAnswer(Exception):
    """Kafka did not do in time what it was asked for; the message says what and why."""


class Refused(Exception):
    """Kafka refuses a topic or its config; the message names them."""


class NotYet(Exception):
    """The cluster is starting; ask again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is: its config, what of that was set on itself, and its partitions' copies."""

    copies: tuple[int, ...]  # of each partition
    config: Mapping[str, str | None]
    own: Mapping[str, str | None]

    def declared(self, spec: TopicSpec, factor: int | None) -> dict[str, str]:
        """The config that it has to have with the copies that it has.

        While partitions move, the brokers that they come from count too: more than the `factor`.
        """
        fewest = min(self.copies)
        return spec.config_with(fewest if factor is None else min(fewest, factor))

    def differing(self, spec: TopicSpec, factor: int | None) -> dict[str, str]:
        """What of its config has to be changed, to what."""
        declared = self.declared(spec, factor)
        return {key: value for key, value in declared.items() if self.config.get(key) != value}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the topics, and what still differs from what is declared."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    faults: tuple[str, ...]
    replication_factor: int


async def ensure(
    bootstrap: Sequence[str],
    specs: Sequence[TopicSpec],
    *,
    say: Callable[[str], None],
    replication_factor: int | None = None,
    alter: bool = False,
    dry_run: bool = False,
    timeout_seconds: float = 60.0,
) -> Report:
    """Create the topics that are missing, complete the config of the others, and compare them.

    `bootstrap` lists brokers, any of which will do. Without a `replication_factor` new topics have
    what the brokers that are up suggest, and the others are taken with the copies that they have.
    Declared config that is not set on a topic itself is set; config that somebody has set there
    otherwise is changed only with `alter`. `say` is called when it has to wait for Kafka. A dry run
    asks the broker whether it would create them. Raises NoAnswer and Refused.
    """
    named = ", ".join(bootstrap)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    async with _connected(bootstrap, timeout_seconds, say) as admin:
        job = _Job(admin, specs, replication_factor, alter=alter and not dry_run, dry_run=dry_run)
        try:
            async with asyncio.timeout_at(deadline + _ANSWER_MS / 1_000):
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type((NotYet, KafkaError)),
                    wait=wait_fixed(_PAUSE_SECONDS),
                    stop=stop_after_delay(max(deadline - asyncio.get_running_loop().time(), 0.0)),
                    reraise=True,
                ):
                    with attempt:
                        return await job.run()
        except (TimeoutError, KafkaError, NotYet) as error:
            reason = str(error) or "no answer"
            raise NoAnswer(
                f"Kafka at {named} did not finish within {timeout_seconds:g} s: {reason}"
            ) from error
    raise AssertionError("a retry ends with a result or an error")


def faults_of(spec: TopicSpec, found: Found, factor: int | None = None) -> list[str]:
    """How a topic differs from its declaration, and what to do. Further config is no fault.

    `factor` is how many copies it has to have, if that is known.
    """
    faults = []
    if len(found.copies) != spec.partitions:
        faults.append(
            f"{spec.name} has {len(found.copies)} partitions, declared are {spec.partitions}: "
            "the order of a key hangs on their number, so it is not changed here; delete the "
            "topic if it is empty and run this again, else copy its records into one made anew"
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
    bootstrap: Sequence[str], timeout_seconds: float, say: Callable[[str], None]
) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client of a Kafka that answers; waits for it, and says so once. Raises NoAnswer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap), request_timeout_ms=_ANSWER_MS)
    named = ", ".join(bootstrap)
    said = False
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    await admin.start()
                    break
                except (KafkaError, OSError):
                    if not said:
                        said = True
                        say(f"waiting for Kafka at {named}, up to {timeout_seconds:g} s")
                    await asyncio.sleep(_PAUSE_SECONDS)
        yield admin
    except TimeoutError as error:
        raise NoAnswer(f"no answer from Kafka at {named} within {timeout_seconds:g} s") from error
    finally:
        await admin.close()


class _Job:
    """One run over the topics; it may be repeated after a failure and knows what it created."""

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

    async def run(self) -> Report:
        factor = self._factor or await self._usual_factor()
        await self._create(factor)
        # What was just created is checked too: other brokers learn of it a moment later, and
        # services that start after this job ask for it at once.
        there = [s for s in self._specs if not (self._dry_run and s.name in self._created)]
        found = await self._completed(there, await self._find(there))
        faults = [
            fault for spec in there for fault in faults_of(spec, found[spec.name], self._factor)
        ]
        return Report(tuple(self._created), tuple(self._altered), tuple(faults), factor)

    async def _usual_factor(self) -> int:
        brokers = (await self._admin.describe_cluster())["brokers"]
        return 1 if len(brokers) == 1 else 3

    async def _create(self, factor: int) -> None:
        """Create those that are missing. Another job may be doing the same."""
        there = {*await self._admin.list_topics(), *self._created}
        missing = [spec for spec in self._specs if spec.name not in there]
        if not missing:
            return
        wanted = [
            NewTopic(spec.name, spec.partitions, factor, topic_configs=spec.config_with(factor))
            for spec in missing
        ]
        answer = await self._admin.create_topics(wanted, validate_only=self._dry_run)
        refusals: list[NotYet | Refused] = []
        for topic in answer.to_object()["topic_errors"]:
            error = for_code(topic["error_code"])
            reason = f"{topic['topic']}: {topic['error_message'] or error.description}"
            if error is NoError:
                self._created.append(topic["topic"])
            elif error.retriable or error is InvalidReplicationFactorError:
                # The latter is also said by a cluster whose brokers are still coming.
                refusals.append(NotYet(reason))
            elif error is not TopicAlreadyExistsError:
                refusals.append(Refused(reason))
        if refusals:
            raise refusals[0]

    async def _find(self, specs: Sequence[TopicSpec]) -> dict[str, Found]:
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
                raise NotYet(f"{name}: not every broker knows it")
            own = [entry for entry in entries if entry["config_source"] == _OF_THE_TOPIC]
            found[name] = Found(copies[name], _values(entries), _values(own))
        return found

    async def _completed(
        self, specs: Sequence[TopicSpec], found: Mapping[str, Found]
    ) -> Mapping[str, Found]:
        """Set what differs, as far as that may be changed; return the topics as they are then."""
        changes = {
            spec.name: change for spec in specs if (change := self._change(spec, found[spec.name]))
        }
        if not changes:
            return found
        self._altered += [name for name in changes if name not in self._altered]
        if self._dry_run:
            return {**found, **{name: _changed(found[name], changes[name]) for name in changes}}
        # What else is set on a topic is sent along, for it would be unset.
        answers = await self._admin.alter_configs(
            [_resource(name, {**found[name].own, **change}) for name, change in changes.items()]
        )
        list(_resources(answers))
        now = await self._find(specs)
        for name, change in changes.items():
            if not change.items() <= now[name].config.items():
                raise NotYet(f"{name}: not every broker knows its config")
        return now

    def _change(self, spec: TopicSpec, found: Found) -> dict[str, str]:
        differing = found.differing(spec, self._factor)
        if self._alter:
            return differing
        return {key: value for key, value in differing.items() if key not in found.own}


def _changed(found: Found, change: Mapping[str, str]) -> Found:
    return replace(found, config={**found.config, **change})


def _resource(name: str, config: Mapping[str, str | None] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, config)


def _resources(answers: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The topics of answers about config. Raises NotYet and Refused."""
    for resource in (found for answer in answers for found in answer.to_object()["resources"]):
        error = for_code(resource["error_code"])
        if error is not NoError:
            kind = NotYet if error.retriable else Refused
            reason = resource["error_message"] or error.description
            raise kind(f"{resource['resource_name']}: {reason}")
        yield resource


def _values(entries: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    return {entry["config_names"]: entry["config_value"] for entry in entries}

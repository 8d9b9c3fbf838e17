"""Who may do what in Kafka, as data: what a cluster's rules and Strimzi's users are made from.

Each right is one that the code uses; `tests/access/kafka` runs every workload with these alone.
Read and Write include Describe, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.services import SERVICES
from shared.contracts.topics import Topics
from shared.runtime.integrators import Integrator, topics_to_read
from tools.access.workloads import Workload, workloads

TOPICS_TOOL: Final = "topics"
DEADLETTER_TOOL: Final = "deadletter"
"""Tools that log in to Kafka under names of their own."""

INTEGRATORS: Final = "integrator-"
"""What the names of integrators' users begin with; no workload's does."""


class Operation(StrEnum):
    """What may be done, by the name that Kafka's and Strimzi's documents use."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    ALTER_CONFIGS = "AlterConfigs"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    IDEMPOTENT_WRITE = "IdempotentWrite"


class PrincipalKind(StrEnum):
    """What a user in Kafka is; how much it may take of a broker depends on it (`quotas.py`)."""

    SERVICE = "service"  # of the whole installation, or an API without consumers
    WORKER = "worker"  # follows up for one deputy, or on one machine for all of them
    INTEGRATOR = "integrator"
    TOOL = "tool"


class ResourceType(StrEnum):
    """What it may be done to."""

    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A topic, a group or the cluster; `prefixed` means all whose names begin so."""

    type: ResourceType
    name: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that may be done, and why it is needed."""

    resource: Resource
    operation: Operation
    why: str


@dataclass(frozen=True, slots=True)
class Grantee:
    """A user in Kafka, and all that it may do."""

    user: str
    kind: PrincipalKind
    rights: tuple[Right, ...]


def grantees(
    topics: Topics,
    integrators: Iterable[Integrator] = (),
    services: Sequence[Workload] | None = None,
) -> list[Grantee]:
    """Everybody who logs in to Kafka, with the rights of each.

    `services` are the workloads of this installation, by default one for each Deployment.
    """
    there = workloads(topics.deputies) if services is None else services
    namespace = topics.namespace
    tool, integrator = PrincipalKind.TOOL, PrincipalKind.INTEGRATOR
    return [
        *(
            Grantee(namespace + one.name, _kind_of(one), _sorted(_of_service(one, topics)))
            for one in there
        ),
        Grantee(namespace + TOPICS_TOOL, tool, _sorted(_of_topics_tool(topics))),
        Grantee(namespace + DEADLETTER_TOOL, tool, _sorted(_of_deadletter_tool(topics))),
        *(
            Grantee(namespace + one.user, integrator, _sorted(_of_integrator(one, topics)))
            for one in integrators
        ),
    ]


def groups_of(workload: Workload) -> tuple[str, ...]:
    """The consumer groups of a workload, without the namespace."""
    if "consumer" not in workload.run or workload.service == "scheduler":
        return ()
    if workload.service == "followups":
        return tuple(f"followups-{deputy}" for deputy in workload.deputies)
    return (workload.service,)


def integrator_groups(integrator: Integrator, namespace: str = "") -> Resource:
    """The consumer groups that an integrator may use; none of ours has a full stop."""
    return Resource(ResourceType.GROUP, f"{namespace}{integrator.name}.", prefixed=True)


def _kind_of(workload: Workload) -> PrincipalKind:
    works = workload.service == "followups" and "consumer" in workload.run
    return PrincipalKind.WORKER if works else PrincipalKind.SERVICE


def _sorted(rights: Iterable[Right]) -> tuple[Right, ...]:
    """Each once, also if two reasons ask for it."""
    merged: dict[tuple[Resource, Operation], list[str]] = {}
    for right in rights:
        whys = merged.setdefault((right.resource, right.operation), [])
        if right.why not in whys:
            whys.append(right.why)
    return tuple(
        Right(resource, operation, ", ".join(whys))
        for (resource, operation), whys in sorted(merged.items())
    )


def _of_service(workload: Workload, topics: Topics) -> Iterator[Right]:
    own = _own_topics(workload, topics)
    for topic in own:  # every process takes in what its database lacks, also one of the API alone
        yield _topic(topic, Operation.READ, "recovery")
    if "relay" in workload.run:
        for topic in own:
            yield _topic(topic, Operation.WRITE, "publishes its events")
    else:
        cluster = Resource(ResourceType.CLUSTER, "kafka-cluster")
        yield Right(cluster, Operation.IDEMPOTENT_WRITE, "its producer asks for an id, no more")
    groups = groups_of(workload)
    for group in groups:
        resource = Resource(ResourceType.GROUP, topics.namespace + group)
        yield Right(resource, Operation.READ, "its consumer group")
    if not groups:
        return
    for topic in _read_topics(workload, topics):
        yield _topic(topic, Operation.READ, "reads it")
    yield _topic(topics.replay(workload.service), Operation.READ, "mended dead letters")
    yield _topic(topics.deadletter(workload.service), Operation.WRITE, "dead letters")
    yield _topic(topics.rejections, Operation.WRITE, "tells senders of rejections")
    if workload.service == "followups":
        for deputy in topics.deputies:
            why = "forwards events of follow-ups that have moved"
            yield _topic(topics.resolutions(deputy), Operation.WRITE, why)


def _own_topics(workload: Workload, topics: Topics) -> list[str]:
    """The topics that its databases publish to, and recover from."""
    match workload.service:
        case "scheduler":
            return [topics.sessions, *map(topics.resolutions, topics.deputies)]
        case "reports":
            return [topics.circulars, topics.reports, topics.reports_restricted]
        case "followups":
            return [topics.followups(deputy) for deputy in workload.deputies]
        case "notify":
            return [topics.notices]
        case _:
            return []


def _read_topics(workload: Workload, topics: Topics) -> list[str]:
    match workload.service:
        case "reports":
            return [topics.sessions]
        case "followups":
            return [topics.resolutions(deputy) for deputy in workload.deputies]
        case "notify":
            of_deputies = (*map(topics.resolutions, topics.deputies),)
            followups = (*map(topics.followups, topics.deputies),)
            return [topics.sessions, topics.reports, *of_deputies, *followups]
        case _:
            return []


def _of_topics_tool(topics: Topics) -> Iterator[Right]:
    for spec in topics.all():
        yield _topic(spec.name, Operation.CREATE, "creates what is missing")
        yield _topic(spec.name, Operation.DESCRIBE, "compares it with the declaration")
        yield _topic(spec.name, Operation.DESCRIBE_CONFIGS, "compares it with the declaration")
        yield _topic(spec.name, Operation.ALTER_CONFIGS, "sets the declared config")


def _of_deadletter_tool(topics: Topics) -> Iterator[Right]:
    for service in SERVICES:
        yield _topic(topics.deadletter(service), Operation.READ, "shows dead letters")
        yield _topic(topics.replay(service), Operation.WRITE, "sends mended ones back")


def _of_integrator(integrator: Integrator, topics: Topics) -> Iterator[Right]:
    for deputy in integrator.deputies:
        yield _topic(topics.resolutions(deputy), Operation.WRITE, f"approves for {deputy}")
    for topic in topics_to_read(integrator, topics):
        yield _topic(topic, Operation.READ, "was granted")
    yield _topic(topics.rejections, Operation.READ, "hears what was rejected")
    groups = integrator_groups(integrator, topics.namespace)
    yield Right(groups, Operation.READ, "its consumer groups")


def _topic(name: str, operation: Operation, why: str) -> Right:
    return Right(Resource(ResourceType.TOPIC, name), operation, why)

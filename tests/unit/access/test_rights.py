"""Rights by least need: what is in the data, what is not, and what is made from it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from shared.contracts.topics import Topics
from shared.runtime.integrators import Integrator
from tools.access.kafka_acls import Rule, difference, rules_of
from tools.access.quotas import Quotas
from tools.access.rights import Operation, Resource, ResourceType, grantees
from tools.access.strimzi import manifests
from tools.access.workloads import workloads

DEPUTIES = ("civil", "crisis", "social")
TOPICS = Topics(DEPUTIES)
TRACKER = Integrator(
    "tracker", frozenset({"/tracker"}), frozenset({"civil"}), frozenset({"followups.civil"})
)
RESTRICTED = TOPICS.reports_restricted


def rights(user: str, topics: Topics = TOPICS) -> dict[Resource, set[Operation]]:
    """What a user may do, by resource."""
    (one,) = [each for each in grantees(topics, [TRACKER]) if each.user == user]
    found: dict[Resource, set[Operation]] = {}
    for right in one.rights:
        found.setdefault(right.resource, set()).add(right.operation)
    return found


def topics_of(user: str, operation: Operation) -> set[str]:
    return {
        resource.name
        for resource, operations in rights(user).items()
        if operation in operations and resource.type is ResourceType.TOPIC
    }


def test_a_deputys_worker_reads_its_own_resolutions_and_no_others() -> None:
    assert topics_of("followups-civil", Operation.READ) == {
        "peygir.resolutions.v1.civil",
        "peygir.followups.v1.civil",
        "peygir.followups.replay.v1",
    }
    assert topics_of("followups-civil", Operation.WRITE) == {
        "peygir.followups.v1.civil",
        "peygir.followups.deadletter.v1",
        "peygir.rejections.v1",
        *map(TOPICS.resolutions, DEPUTIES),  # it forwards events of follow-ups that have moved
    }


def test_an_integrator_writes_for_its_deputies_and_reads_what_it_was_granted() -> None:
    assert topics_of("integrator-tracker", Operation.WRITE) == {"peygir.resolutions.v1.civil"}
    assert topics_of("integrator-tracker", Operation.READ) == {
        "peygir.followups.v1.civil",
        "peygir.rejections.v1",
    }
    groups = [each for each in rights("integrator-tracker") if each.type is ResourceType.GROUP]
    assert groups == [Resource(ResourceType.GROUP, "tracker.", prefixed=True)]


def test_only_the_scheduler_writes_sessions_and_only_reports_writes_reports() -> None:
    users = [one.user for one in grantees(TOPICS, [TRACKER])]
    for topic, writer in (
        (TOPICS.sessions, "scheduler"),
        (TOPICS.circulars, "reports"),
        (TOPICS.reports, "reports"),
        (RESTRICTED, "reports"),
        (TOPICS.notices, "notify"),
        *((TOPICS.followups(deputy), f"followups-{deputy}") for deputy in DEPUTIES),
    ):
        writers = [user for user in users if topic in topics_of(user, Operation.WRITE)]
        assert writers == [writer], topic


def test_only_reports_reads_the_restricted_axes() -> None:
    users = [one.user for one in grantees(TOPICS, [TRACKER])]
    assert [u for u in users if RESTRICTED in topics_of(u, Operation.READ)] == ["reports"]


def test_only_tools_create_topics_and_nobody_may_change_rights() -> None:
    changing = {Operation.CREATE, Operation.ALTER_CONFIGS}
    for one in grantees(TOPICS, [TRACKER]):
        for right in one.rights:
            if one.user != "topics":
                assert right.operation not in changing, (one.user, right)
            if right.resource.type is ResourceType.CLUSTER:
                assert right.operation is Operation.IDEMPOTENT_WRITE, (one.user, right)


def test_no_two_share_a_name_and_an_integrator_never_has_that_of_a_workload() -> None:
    named = Integrator("scheduler", frozenset({"/x"}), frozenset({"civil"}))
    users = [one.user for one in grantees(TOPICS, [TRACKER, named])]
    assert len(users) == len(set(users))
    assert {one.name for one in workloads(DEPUTIES)} <= set(users)


def test_a_namespace_precedes_users_topics_and_groups() -> None:
    found = rights("a-followups-civil", Topics(DEPUTIES, "a-"))
    assert Resource(ResourceType.GROUP, "a-followups-civil") in found
    assert all(resource.name.startswith("a-") for resource in found)


# -- on a cluster -----------------------------------------------------------------------------

DECLARED = grantees(TOPICS, [TRACKER])
USERS = [one.user for one in DECLARED]


def test_what_is_as_declared_needs_no_change() -> None:
    found = difference(DECLARED, rules_of(DECLARED), USERS)
    assert (found.add, found.remove, found.users, found.gone) == ((), (), (), ())


def test_rights_are_added_and_taken_and_those_of_others_stay() -> None:
    missing = Rule("notify", Resource(ResourceType.TOPIC, "peygir.sessions.v1"), Operation.READ)
    too_many = Rule("notify", Resource(ResourceType.TOPIC, RESTRICTED), Operation.READ)
    elsewhere = Rule("notify", Resource(ResourceType.TOPIC, "theirs"), Operation.READ)
    others = Rule("somebody", Resource(ResourceType.TOPIC, RESTRICTED), Operation.READ)
    former = Rule(
        "integrator-former", Resource(ResourceType.TOPIC, TOPICS.sessions), Operation.READ
    )
    present = rules_of(DECLARED) - {missing} | {too_many, elsewhere, others, former}
    found = difference(DECLARED, present, [*USERS, "integrator-former", "somebody"])
    assert found.add == (missing,)
    assert set(found.remove) == {too_many, former}
    assert found.gone == ("integrator-former",)


def test_a_user_without_a_password_is_made() -> None:
    assert difference(DECLARED, rules_of(DECLARED), USERS[1:]).users == ("scheduler",)


# -- as Strimzi wants it ----------------------------------------------------------------------

OPERATIONS = [
    "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "AlterConfigs",
    "DescribeConfigs", "IdempotentWrite", "All",
]  # fmt: skip
KAFKA_USER: dict[str, Any] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "kafka.strimzi.io/v1"},
        "kind": {"const": "KafkaUser"},
        "metadata": {
            "type": "object",
            "required": ["name", "labels"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"},
                "labels": {"type": "object", "required": ["strimzi.io/cluster"]},
            },
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "quotas": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "producerByteRate": {"type": "integer", "minimum": 0},
                        "consumerByteRate": {"type": "integer", "minimum": 0},
                        "requestPercentage": {"type": "integer", "minimum": 0},
                        "controllerMutationRate": {"type": "number", "minimum": 0},
                    },
                },
                "authentication": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {"type": {"enum": ["tls", "tls-external", "scram-sha-512"]}},
                },
                "authorization": {
                    "type": "object",
                    "required": ["acls", "type"],
                    "properties": {
                        "type": {"const": "simple"},
                        "acls": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["resource", "operations"],
                                "additionalProperties": False,
                                "properties": {
                                    "operations": {"items": {"enum": OPERATIONS}},
                                    "resource": {
                                        "type": "object",
                                        "required": ["type"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "type": {"enum": ["topic", "group", "cluster"]},
                                            "name": {"type": "string"},
                                            "patternType": {"enum": ["literal", "prefix"]},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The shape of Strimzi's resource (its definition of version 1), as far as it is used here."""


@pytest.mark.parametrize("authentication", ["tls", "scram-sha-512"])
def test_strimzis_users_have_its_shape_and_grant_the_same(authentication: str) -> None:
    documents = list(yaml.safe_load_all(manifests(DECLARED, Quotas(), "peygir", authentication)))
    for document in documents:
        Draft202012Validator(KAFKA_USER).validate(document)
    assert {_granted(document) for document in documents} == {
        (one.user, rules_of([one])) for one in DECLARED
    }


def _granted(document: dict[str, Any]) -> tuple[str, frozenset[Rule]]:
    user = document["metadata"]["name"]
    rules = frozenset(
        Rule(user, _resource(acl["resource"]), Operation(operation))
        for acl in document["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    )
    return user, rules


def _resource(given: dict[str, str]) -> Resource:
    type_ = ResourceType(given["type"])
    name = given.get("name", "kafka-cluster")
    return Resource(type_, name, given.get("patternType") == "prefix")

"""The rules (ACLs) and users of a Kafka cluster, compared with the rights as declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it lists no names
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from confluent_kafka.admin import ResourceType as KafkaResourceType  # type: ignore[attr-defined]

from tools.access.rights import INTEGRATORS, Grantee, Operation, Resource, ResourceType

_ANSWER_SECONDS: Final = 20.0
_ITERATIONS: Final = 8_192
_EVERYWHERE: Final = "*"

_OPERATIONS: Final[Mapping[Operation, AclOperation]] = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.CREATE: AclOperation.CREATE,
    Operation.DESCRIBE: AclOperation.DESCRIBE,
    Operation.ALTER_CONFIGS: AclOperation.ALTER_CONFIGS,
    Operation.DESCRIBE_CONFIGS: AclOperation.DESCRIBE_CONFIGS,
    Operation.IDEMPOTENT_WRITE: AclOperation.IDEMPOTENT_WRITE,
}
_TYPES: Final[Mapping[ResourceType, KafkaResourceType]] = {
    ResourceType.TOPIC: KafkaResourceType.TOPIC,
    ResourceType.GROUP: KafkaResourceType.GROUP,
    ResourceType.CLUSTER: KafkaResourceType.BROKER,  # by this name librdkafka means the cluster
}


class KafkaAccessFailed(Exception):
    """Kafka does not answer or refuses; the message says what and to whom."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A user may do something to a resource, from everywhere."""

    user: str
    resource: Resource
    operation: Operation

    def __str__(self) -> str:
        kind, name = self.resource.type.value, self.resource.name
        star = "*" if self.resource.prefixed else ""
        return f"User:{self.user} {self.operation.value} {kind} {name}{star}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done so that a cluster is as declared."""

    add: tuple[Rule, ...]
    remove: tuple[Rule, ...]
    users: tuple[str, ...]  # that have no password in Kafka
    gone: tuple[str, ...]  # integrators' users that nobody declares any more


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which rules and users of a cluster this project made, and may therefore remove.

    A rule that somebody else gave one of our users, on a topic that is not ours, is not touched.
    """

    namespace: str
    users: frozenset[str]

    def owns_user(self, user: str) -> bool:
        return user in self.users or user.startswith(f"{self.namespace}{INTEGRATORS}")

    def owns(self, rule: Rule) -> bool:
        resource = rule.resource
        ours = {
            ResourceType.TOPIC: resource.name.startswith(f"{self.namespace}peygir."),
            ResourceType.GROUP: resource.name.startswith(self.namespace),
            ResourceType.CLUSTER: rule.operation is Operation.IDEMPOTENT_WRITE,
        }
        return self.owns_user(rule.user) and ours[resource.type]


def rules_of(grantees: Iterable[Grantee]) -> frozenset[Rule]:
    """The rules by which a cluster grants these rights."""
    return frozenset(
        Rule(one.user, right.resource, right.operation) for one in grantees for right in one.rights
    )


def difference(
    declared: Sequence[Grantee],
    present: Iterable[Rule],
    users: Iterable[str],
    namespace: str = "",
) -> Difference:
    """Compare a cluster's rules and its `users` that have a password with what is declared."""
    names = frozenset(one.user for one in declared)
    ownership = Ownership(namespace, names)
    wanted, present, known = rules_of(declared), frozenset(present), set(users)
    return Difference(
        add=tuple(sorted(wanted - present)),
        remove=tuple(sorted(rule for rule in present - wanted if ownership.owns(rule))),
        users=tuple(one.user for one in declared if one.user not in known),
        gone=tuple(sorted(u for u in known - names if ownership.owns_user(u))),
    )


class KafkaAccess:
    """Reads and changes the rules and users of one cluster. Calls block."""

    def __init__(self, options: Mapping[str, Any], where: str) -> None:
        """`options` are librdkafka's; `where` names the cluster in messages."""
        self._admin = AdminClient({**options, "log_level": 0, "client.id": "access"})
        self._where = where

    def rules(self) -> frozenset[Rule]:
        """All rules of the form that this project makes. Raises KafkaAccessFailed."""
        any_: Any = None
        everything = AclBindingFilter(
            KafkaResourceType.ANY,
            any_,
            ResourcePatternType.ANY,
            any_,
            any_,
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )
        found = self._done(self._admin.describe_acls(everything, request_timeout=_ANSWER_SECONDS))
        return frozenset(rule for binding in found if (rule := _rule_of(binding)) is not None)

    def users(self) -> frozenset[str]:
        """The users that have a password. Raises KafkaAccessFailed."""
        answer: Any = self._admin.describe_user_scram_credentials(request_timeout=_ANSWER_SECONDS)
        return frozenset(self._done(answer))

    def add(self, rules: Sequence[Rule]) -> None:
        """Add rules. Raises KafkaAccessFailed."""
        if rules:
            answers = self._admin.create_acls([_binding_of(rule) for rule in rules])
            for answer in answers.values():
                self._done(answer)

    def remove(self, rules: Sequence[Rule]) -> None:
        """Remove exactly these rules. Raises KafkaAccessFailed."""
        if rules:
            answers = self._admin.delete_acls([_filter_of(rule) for rule in rules])
            for answer in answers.values():
                self._done(answer)

    def set_password(self, user: str, password: str) -> None:
        """Let a user log in with this password (SCRAM-SHA-512). Raises KafkaAccessFailed."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self._done(self._admin.alter_user_scram_credentials([change])[user])

    def forget_user(self, user: str) -> None:
        """Let a user no longer log in. Raises KafkaAccessFailed."""
        change = UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512)
        self._done(self._admin.alter_user_scram_credentials([change])[user])

    def _done(self, answer: Any) -> Any:
        try:
            return answer.result(_ANSWER_SECONDS)
        except KafkaException as error:
            reason = error.args[0].str() if error.args else type(error).__name__
            raise KafkaAccessFailed(
                f"Kafka at {self._where} refuses: {reason}; log in as an administrator, and see "
                "that the brokers have an authorizer"
            ) from error
        except TimeoutError as error:
            raise KafkaAccessFailed(f"Kafka at {self._where} does not answer") from error


def _binding_of(rule: Rule) -> AclBinding:
    return AclBinding(
        _TYPES[rule.resource.type],
        rule.resource.name,
        ResourcePatternType.PREFIXED if rule.resource.prefixed else ResourcePatternType.LITERAL,
        f"User:{rule.user}",
        _EVERYWHERE,
        _OPERATIONS[rule.operation],
        AclPermissionType.ALLOW,
    )


def _filter_of(rule: Rule) -> AclBindingFilter:
    binding = _binding_of(rule)
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _rule_of(binding: AclBinding) -> Rule | None:
    """The rule in a binding; None if it is none that this project would make."""
    types = {kafka: ours for ours, kafka in _TYPES.items()}
    operations = {kafka: ours for ours, kafka in _OPERATIONS.items()}
    kind, _, user = binding.principal.partition(":")
    if (
        kind != "User"
        or binding.host != _EVERYWHERE
        or binding.restype not in types
        or binding.operation not in operations
    ):
        return None
    prefixed = binding.resource_pattern_type is ResourcePatternType.PREFIXED
    resource = Resource(types[binding.restype], binding.name, prefixed)
    return Rule(user, resource, operations[binding.operation])

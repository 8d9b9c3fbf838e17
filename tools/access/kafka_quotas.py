"""Kafka's quotas by user, over its protocol: read and changed with aiokafka's connections.

librdkafka has no such requests. aiokafka has the one that describes quotas (API key 48), and the
one that alters them (49) is defined here, as of Kafka 2.6; Kafka 4.3 takes versions 0 and 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, NoError, for_code
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.connection import KafkaConnection
from tools.access.kafka_acls import KafkaAccessFailed
from tools.access.quotas import Limits, QuotaChange

_ANSWER_MS: Final = 20_000
_USER: Final = "user"
_ANY_NAME: Final = 2  # Kafka's number for an entity of whatever name
_DESCRIBE: Final = "DescribeConfigs"
_ALTER: Final = "AlterConfigs"
_ALTER_KEY: Final = 49
_ENTITY: Final = Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))


class QuotasNotAllowed(KafkaAccessFailed):
    """The principal may not read or change quotas; the message names it and the right."""


class AlterQuotasAnswer(Response):  # type: ignore[misc]  # aiokafka is untyped here
    """An error code for each entity."""

    API_KEY = _ALTER_KEY
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", _ENTITY),
            ),
        ),
    )


class AlterQuotasV0(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped here
    """Limits to set and to remove, by entity."""

    API_KEY = _ALTER_KEY
    API_VERSION = 0
    RESPONSE_TYPE = AlterQuotasAnswer
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterClientQuotasRequest(
    Request[AlterQuotasV0]  # type: ignore[misc]  # aiokafka is untyped here
):
    """Alters limits of users; what is not named stays."""

    API_KEY = _ALTER_KEY

    def __init__(self, changes: Sequence[QuotaChange]) -> None:
        by_user: dict[str, list[tuple[str, float, bool]]] = defaultdict(list)
        for change in changes:
            operation = (change.name, float(change.declared or 0), change.declared is None)
            by_user[change.user].append(operation)
        self._entries = [([(_USER, user)], operations) for user, operations in by_user.items()]

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(self._entries, False)


class KafkaQuotas:
    """Reads and changes the quotas of one cluster's users."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def present(self) -> dict[str, Limits]:
        """The limits of each user that has some. Raises KafkaAccessFailed and QuotasNotAllowed.

        Those of a user together with a client id are not among them, nor the default of all users.
        """
        request = DescribeClientQuotasRequest([(_USER, _ANY_NAME, None)], strict=True)
        async with self._connected() as client:
            answer = await client.send(client.get_random_node(), request)
            self._check(answer.error_code, answer.error_message, _DESCRIBE)
        return {
            entity[0][1]: dict(values)
            for entity, values in answer.entries
            if entity[0][1] is not None
        }

    async def change(self, changes: Sequence[QuotaChange]) -> None:
        """Make the changes. Raises KafkaAccessFailed and QuotasNotAllowed.

        Kafka applies those of one user together, and may refuse those of another.
        """
        if not changes:
            return
        async with self._connected() as client:
            request = AlterClientQuotasRequest(changes)
            answer = await client.send(client.get_random_node(), request)
            for code, message, _ in answer.entries:
                self._check(code, message, _ALTER)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """A client that has reached a broker; raises KafkaAccessFailed for what it is asked too."""
        options = self._connection.options()
        client = AIOKafkaClient(**options, client_id="access", request_timeout_ms=_ANSWER_MS)
        try:
            await client.bootstrap()
            yield client
        # aiokafka raises NotImplementedError if the broker takes no version that it knows.
        except (KafkaError, OSError, NotImplementedError) as error:
            try:
                self._connection.check()
            except NotAuthenticated as refused:
                raise KafkaAccessFailed(str(refused)) from error
            raise KafkaAccessFailed(
                f"Kafka at {self._where} does not answer about quotas "
                f"({type(error).__name__}: {error})"
            ) from error
        finally:
            await client.close()

    @property
    def _where(self) -> str:
        return ", ".join(self._connection.servers)

    def _check(self, code: int, message: str | None, right: str) -> None:
        """Raise an answer's error: KafkaAccessFailed, or QuotasNotAllowed if a right is missing."""
        error = for_code(code)
        if error is ClusterAuthorizationFailedError:
            raise QuotasNotAllowed(
                f"Kafka at {self._where} refuses: {self._connection.principal} lacks the right "
                f"{right} on the cluster; log in as an administrator"
            )
        if error is not NoError:
            reason = message or error.description
            raise KafkaAccessFailed(f"Kafka at {self._where} refuses quotas: {reason}")

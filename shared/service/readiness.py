"""Whether a service process can serve requests now, for /readyz and before each request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.recovery.progress import RecoveryProgress
from shared.runtime import mongo
from shared.runtime.health import Degraded, Health, Unhealthy
from shared.runtime.problems import unavailable
from shared.runtime.refused_rights import refusal

_AWAY_SECONDS: Final = 2.0  # shorter absences are elections of a primary: requests wait for those


class Readiness:
    """Checks Kafka, MongoDB, and whether the databases are prepared and have recovered."""

    def __init__(
        self,
        client: mongo.Client,
        link: mongo.Link,
        publisher: Publisher,
        recovery: RecoveryProgress,
        is_prepared: Callable[[], bool],
        rights_lacking: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        """`link` knows since when MongoDB does not answer.

        `rights_lacking` says what waits for a right; None if Kafka and MongoDB are open.
        """
        self._client = client
        self._link = link
        self._publisher = publisher
        self._recovery = recovery
        self._has_begun = is_prepared
        self._rights_lacking = rights_lacking

    def register(self, health: Health) -> None:
        """Add the checks of stores and recovery, and `rights` if the stores ask for users."""
        health.register("kafka", self._check_kafka)
        health.register("mongodb", self._check_mongodb)
        health.register("recovery", self._recovery.check)
        if self._rights_lacking is not None:
            health.register("rights", self._check_rights)

    async def require_database(self) -> None:
        """Refuse a request with 503 while the databases cannot be used.

        A decision needs all that the topics of the database hold. And a request for a database
        that is away would only wait, and occupy a thread of the driver.
        """
        if not self._is_prepared():
            raise unavailable("The database is being prepared (see /readyz); try again")
        if self._is_away():
            raise unavailable("The database does not answer (see /readyz); try again")

    def _is_prepared(self) -> bool:
        return self._has_begun() and self._recovery.can_serve

    def _is_away(self) -> bool:
        return self._link.away_seconds() > _AWAY_SECONDS

    async def _check_kafka(self) -> None:
        try:
            await self._publisher.topics()
        except NotAuthenticated as refused:
            raise Unhealthy(str(refused)) from refused
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unhealthy(f"kafka does not answer ({type(error).__name__})") from error

    async def _check_rights(self) -> None:
        """A missing right keeps one part waiting; the others serve on, so the process is ready."""
        assert self._rights_lacking is not None, "registered only with it"
        if lacking := self._rights_lacking():
            raise Degraded("; ".join(lacking))

    async def _check_mongodb(self) -> None:
        if not self._is_prepared() and self._rights_lacking and (lacking := self._rights_lacking()):
            raise Unhealthy("; ".join(lacking))  # why it is not prepared, and stays so
        try:
            await mongo.ping(self._client)
        except PyMongoError as error:
            silent = f"mongodb does not answer ({type(error).__name__})"
            raise Unhealthy(refusal(error) or silent) from error
        if self._is_away():  # the driver reports its return a second late
            raise Unhealthy("mongodb has only just come back")
        if not self._is_prepared():
            raise Unhealthy("indexes and history are being prepared")

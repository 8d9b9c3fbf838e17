"""Passwords, certificates and tokens that change, are wrong or are missing, without a restart."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.layout import HOST
from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.connection import Certificates, KafkaConnection, Login
from shared.messaging.kafka.oauth import ClientCredentials
from shared.messaging.kafka.publisher import Publisher
from tests.access.kafka.conftest import REAUTHENTICATION_MS
from tests.access.kafka.house import House, unsigned_token
from tests.component.harness import Service, eventually
from tools.access.kafka_acls import Rule
from tools.access.rights import Operation, Resource, ResourceType

pytestmark = [pytest.mark.secured, pytest.mark.timeout(600)]

SECONDS = 60.0


async def approve(house: House, id_: str) -> None:
    """Send an approval for civil, as the integrator whose it is."""
    key, value, headers = house.event("/tracker", id_, by="tracker")
    async with AIOKafkaProducer(**house.connection("integrator-tracker").options()) as producer:
        topic = house.topics.resolutions("civil")
        await producer.send_and_wait(topic, value, key=key, headers=headers)


async def followed(service: Service, id_: str) -> None:
    async def found() -> bool:
        return bool(await service.items("/v1/followups", resolution_id=id_))

    await eventually(found, SECONDS, f"the follow-up of {id_}")


async def stalls(service: Service, cause: str) -> bool:
    return f'cause="{cause}"' in (await service.http.get("/metrics")).text


async def test_a_password_is_rotated_while_everything_runs(house: House) -> None:
    """Sessions end after four seconds; the next ones log in with the new password."""
    service = house.service("followups", "followups-civil", PEYGIR_DEPUTIES="civil")
    try:
        service.launch()
        await service.ready(120)
        await approve(house, "before")
        await followed(service, "before")
        old = house.password_file("followups-civil").read_text()
        done = await asyncio.to_thread(
            house.access,
            "--secrets", str(house.secrets),
            "--rotate", house.user("followups-civil"),
        )  # fmt: skip
        assert done.code == 0, done.err
        assert house.password_file("followups-civil").read_text() != old
        for n in range(3):
            await asyncio.sleep(REAUTHENTICATION_MS / 1000)  # every session is older than allowed
            await approve(house, f"after-{n}")
            await followed(service, f"after-{n}")
        assert not await stalls(service, "not-authenticated")
        assert (await service.readyz())[0] == 200
    finally:
        await service.close()


async def test_a_wrong_password_waits_in_place_is_told_and_goes_on_by_itself(
    house: House, test_folder: Path
) -> None:
    password = test_folder / "changing-password"
    password.write_text("not the right one")
    service = house.service(
        "followups",
        "followups-civil",
        PEYGIR_DEPUTIES="civil",
        PEYGIR_KAFKA_PASSWORD_FILE=str(password),
    )
    try:
        service.launch()

        async def told() -> bool:
            status, report = await service.readyz()
            reason = report["checks"]["kafka"] if status == 503 else ""
            return f"Kafka does not let User:{house.user('followups-civil')} in" in reason

        await eventually(told, SECONDS, "/readyz naming the user")
        assert await stalls(service, "not-authenticated")
        assert service.process.is_running
        assert "SaslAuthenticationFailed" in service.log
        password.write_text(house.password_file("followups-civil").read_text())
        await service.ready(120)
        await approve(house, "late")
        await followed(service, "late")
    finally:
        await service.close()


async def test_a_missing_right_waits_in_place_is_told_and_goes_on_by_itself(
    house: House,
) -> None:
    group = Resource(ResourceType.GROUP, house.user("followups-civil"))
    topic = Resource(ResourceType.TOPIC, house.topics.followups("civil"))
    rules = [
        Rule(house.user("followups-civil"), group, Operation.READ),
        Rule(house.user("followups-civil"), topic, Operation.WRITE),
    ]
    administration = house.administration()
    administration.remove(rules)
    service = house.service("followups", "followups-civil", PEYGIR_DEPUTIES="civil")
    try:
        service.launch()
        await service.ready(120)

        async def told() -> str:
            return str((await service.readyz())[1]["checks"]["rights"])

        wanted = f"User:{house.user('followups-civil')} lacks the right Read on group {group.name}"

        async def names_it() -> bool:
            return wanted in await told()

        await eventually(names_it, SECONDS, "/readyz naming the right")
        assert (await service.readyz())[0] == 200, "requests are served all the same"
        assert await stalls(service, "no-right")
        administration.add(rules[:1])
        await approve(house, "unsaid")
        await followed(service, "unsaid")
        wanted = f"User:{house.user('followups-civil')} lacks the right Write on topic {topic.name}"
        await eventually(names_it, SECONDS, "/readyz naming the topic")
        administration.add(rules[1:])

        async def over() -> bool:
            return await told() == "ok" and not await stalls(service, "no-right")

        await eventually(over, SECONDS, "no stall")
    finally:
        administration.add(rules)
        await service.close()


def by_certificate(house: House, folder: Path, name: str) -> tuple[KafkaConnection, Certificates]:
    """A connection by a certificate, to the listener that asks for one."""
    files = Certificates(
        house.security.authority().certificate, folder / "client.pem", folder / "client.key"
    )
    server = f"{HOST}:{house.cluster.layout.ports.peers[0]}"
    return KafkaConnection((server,), Login("SSL", certificates=files)), files


def issue(house: House, files: Certificates, name: str, ends: datetime | None = None) -> None:
    """Put a new certificate for a user where its process looks for it."""
    pair = house.security.authority().issue(house.user(name), anew=True, ends=ends)
    assert files.certificate is not None
    assert files.key is not None
    files.key.write_bytes(pair.key.read_bytes())
    files.certificate.write_bytes(pair.certificate.read_bytes())


async def test_a_certificate_is_rotated_and_an_expired_one_is_told(
    house: House, tmp_path: Path
) -> None:
    """The broker restarts, so that every session begins anew."""
    connection, files = by_certificate(house, tmp_path, "scheduler")
    issue(house, files, "scheduler", datetime.now(UTC) + timedelta(seconds=20))
    publisher = Publisher(connection, client_id="test")
    record = OutgoingRecord(house.topics.sessions, b"k", b"{}", [])
    try:
        await publisher.send_all([record])
        ended = datetime.now(UTC) + timedelta(seconds=21)
        await asyncio.to_thread(house.cluster.stop, "kafka")
        await asyncio.sleep(max(0.0, (ended - datetime.now(UTC)).total_seconds()))
        await asyncio.to_thread(house.cluster.start, "kafka")

        async def refused() -> bool:
            try:
                await publisher.topics(5.0)
            except NotAuthenticated as error:
                return "certificate" in str(error).lower()
            except (OSError, TimeoutError, Exception):  # noqa: BLE001  # it is starting yet
                return False
            return False

        await eventually(refused, SECONDS, "the expired certificate being told")
        issue(house, files, "scheduler")

        async def sent() -> bool:
            try:
                await publisher.send_all([record])
            except Exception:  # noqa: BLE001  # whatever it is, it is tried again
                return False
            return True

        await eventually(sent, SECONDS, "sending with the new certificate")
        connection.check()
    finally:
        await publisher.stop()


async def test_a_certificate_has_the_rights_of_its_name(house: House, tmp_path: Path) -> None:
    connection, files = by_certificate(house, tmp_path, "integrator-tracker")
    issue(house, files, "integrator-tracker")
    publisher = Publisher(connection, client_id="test")
    try:
        civil, crisis = map(house.topics.resolutions, ("civil", "crisis"))
        first, second = await publisher.send(
            [OutgoingRecord(civil, b"k", b"{}", []), OutgoingRecord(crisis, b"k", b"{}", [])]
        )
        assert not isinstance(first, Exception), first
        assert "TopicAuthorizationFailedError" in str(second)
    finally:
        await publisher.stop()


@pytest.fixture
def token_endpoint(house: House) -> Iterator[str]:
    """Gives tokens that nobody has signed: this broker takes them, for tests alone."""
    body = json.dumps(unsigned_token(house.user("integrator-tracker"))).encode()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{HOST}:{server.server_address[1]}/token"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_token_logs_in_as_its_subject(house: House, token_endpoint: str) -> None:
    login = Login(
        "SASL_SSL",
        certificates=Certificates(house.security.authority().certificate),
        mechanism="OAUTHBEARER",
        tokens=ClientCredentials(token_endpoint, "tracker", lambda: "secret"),
    )
    publisher = Publisher(KafkaConnection((house.cluster.bootstrap,), login), client_id="test")
    try:
        civil, sessions = house.topics.resolutions("civil"), house.topics.sessions
        first, second = await publisher.send(
            [OutgoingRecord(civil, b"k", b"{}", []), OutgoingRecord(sessions, b"k", b"{}", [])]
        )
        assert not isinstance(first, Exception), first
        assert "TopicAuthorizationFailedError" in str(second)
    finally:
        await publisher.stop()

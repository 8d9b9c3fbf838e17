"""The SMTP transport against a real SMTP server whose answers a test sets."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import bson
import pytest
import pytest_asyncio
import trustme

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.adapters.smtp import SmtpTransport
from services.notify.domain.notices import Failed, evolve, new_notices
from services.notify.events import to_event
from services.notify.handlers import Declined, Interrupted, NotYet, Unreachable
from tests.unit.notify.examples import NOW, resolution
from tests.unit.notify.mailserver import OK, Server

(NOTICE,) = new_notices(resolution(), NOW, None)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as answering:
        yield answering


def post_to(
    port: int,
    user: str = "",
    tls: Literal["none", "starttls", "implicit"] = "none",
    ca_file: Path | None = None,
) -> SmtpTransport:
    return SmtpTransport(
        MailRenderer(Addresses("peygir.example"), "peygir@peygir.example"),
        host="127.0.0.1",
        port=port,
        tls=tls,
        user=user,
        password="secret",
        timeout_seconds=5,
        ca_file=ca_file,
    )


async def test_many_mails_go_over_one_connection(server: Server) -> None:
    transport = post_to(server.port)
    for _ in range(3):
        await transport.send(NOTICE, NOW)
    await transport.close()
    assert server.connections == 1
    sender, recipients, content = server.taken[2]
    assert (sender, recipients) == ("peygir@peygir.example", ["deputy.civil@peygir.example"])
    assert f"Message-ID: <{NOTICE.notice_id}@peygir.example>".encode() in content
    await transport.send(NOTICE, NOW)
    assert server.connections == 2
    await transport.close()


@pytest.mark.parametrize("of", ["recipient_answer", "data_answer"])
async def test_5xx_is_for_ever_and_4xx_is_for_now(server: Server, of: str) -> None:
    transport = post_to(server.port)
    setattr(server, of, "550 5.1.1 nobody here")
    with pytest.raises(Declined, match=r"^550 5\.1\.1 nobody here$"):
        await transport.send(NOTICE, NOW)
    setattr(server, of, "451 4.7.1 come back later")
    with pytest.raises(NotYet, match=r"^451 4\.7\.1 come back later$"):
        await transport.send(NOTICE, NOW)
    setattr(server, of, OK)
    await transport.send(NOTICE, NOW)
    assert len(server.taken) == server.connections == 1
    await transport.close()


@pytest.mark.parametrize("of", ["recipient_answer", "data_answer"])
async def test_an_answer_in_any_bytes_becomes_text_that_can_be_written(
    server: Server, of: str
) -> None:
    transport = post_to(server.port)
    answer = b"550 refus\xe9: " + "صندوق پر است".encode() + b" \xff" * 2_000
    setattr(server, of, answer.decode(errors="surrogateescape"))
    with pytest.raises(Declined) as declined:
        await transport.send(NOTICE, NOW)
    reason = str(declined.value)
    assert reason.startswith("550 refus?: صندوق پر است ? ? ?")
    assert len(reason) == 1_000
    fact = Failed(NOW, reason)
    event = to_event(evolve(NOTICE, fact), fact, "notices")
    assert event is not None
    assert json.loads(event.data)["reason"] == reason
    assert bson.decode(bson.encode({"reason": reason}))["reason"] == reason
    await transport.close()


async def test_a_refused_sender_is_no_notices_fault(server: Server) -> None:
    transport = post_to(server.port)
    server.sender_answer = "553 5.1.8 not from here"
    with pytest.raises(Unreachable, match="553"):
        await transport.send(NOTICE, NOW)
    server.sender_answer = OK
    await transport.send(NOTICE, NOW)
    await transport.close()


async def test_a_refused_log_in_is_no_notices_fault(server: Server) -> None:
    with pytest.raises(Unreachable):
        await post_to(server.port, user="peygir").send(NOTICE, NOW)
    assert server.taken == []


async def test_a_server_that_closes_the_connection_is_tried_again(server: Server) -> None:
    transport = post_to(server.port)
    server.data_answer = "421 4.3.2 closing"
    with pytest.raises(Interrupted, match="421"):
        await transport.send(NOTICE, NOW)
    server.data_answer = OK
    await transport.send(NOTICE, NOW)
    assert server.connections == 2
    await transport.close()


async def test_no_server_is_waited_for(server: Server) -> None:
    transport = post_to(server.port)
    await transport.close()  # never connected: nothing to say
    with pytest.raises(Unreachable):
        await post_to(1).send(NOTICE, NOW)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_network_may_have_certificates_of_its_own(
    tmp_path: Path, tls: Literal["starttls", "implicit"]
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    ca_file, other_file = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(ca_file)
    stranger.cert_pem.write_to_path(other_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with Server(context, starttls=tls == "starttls") as server:
        transport = post_to(server.port, tls=tls, ca_file=ca_file)
        await transport.send(NOTICE, NOW)
        await transport.close()
        assert len(server.taken) == 1
        for wrong in (None, other_file):
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await post_to(server.port, tls=tls, ca_file=wrong).send(NOTICE, NOW)
    assert len(server.taken) == 1

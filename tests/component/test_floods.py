"""A flood on one deputy's topic leaves the others of the same group alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, binary, eventually, records
from tests.component.test_notify import Mailbox, approval, mailbox, notices_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID: Final = 400
LIMIT: Final = 200  # PEYGIR_FLOOD_MINIMUM by default

__all__ = ["mailbox"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(
    cluster: Cluster,
    namespace: str,
    topics: Topics,
    test_folder: Path,
    mailbox: Mailbox,
    producer: Producer,
) -> AsyncIterator[Service]:
    """It finds the flood there: all of it comes in one batch."""
    civil = topics.resolutions("civil")
    headers = binary("ResolutionApproved", "x")
    sending = (producer.send(civil, b"{}", key="flood", headers=headers) for _ in range(INVALID))
    await asyncio.gather(*sending)
    await producer.event(civil, "ResolutionApproved", approval("behind"), key="flood", id_="behind")
    async with Service("notify", cluster, namespace, test_folder, **mailbox.settings) as service:
        yield service


async def test_400_invalid_records_for_one_deputy_keep_no_mail_from_the_others(
    cluster: Cluster, notify: Service, producer: Producer, topics: Topics
) -> None:
    civil = topics.resolutions("civil")

    async def is_paused() -> bool:
        items = await notify.items("/v1/subscriptions")
        return [item["topic"] for item in items] == [civil]

    async def letters() -> int:
        return len(await records(cluster, topics.deadletter("notify")))

    async def resume() -> None:
        answer = await notify.http.post(
            f"/v1/subscriptions/{group}/resume",
            params={"topic": civil},
            headers={"X-Peygir-User": "karimi", "X-Peygir-Roles": "operator"},
        )
        assert answer.json() == {"group": group, "topic": civil}

    await eventually(is_paused, 30, "the pause")
    (group,) = [item["group"] for item in await notify.items("/v1/subscriptions")]
    shown = (await notify.http.get("/metrics")).text
    assert f'peygir_subscription_paused{{group="{group}"}} 1.0' in shown
    assert f'peygir_topic_paused{{group="{group}",topic="{civil}"}} 1.0' in shown

    since = time.monotonic()
    topic = topics.resolutions("crisis")
    data = approval("calm", deputy="crisis")
    await producer.event(topic, "ResolutionApproved", data, key="calm", id_="calm")
    await notices_of(notify, "calm")
    assert time.monotonic() - since < 10
    assert await letters() == LIMIT
    assert await notify.items("/v1/notices", subject="behind") == []

    async def is_through() -> bool:
        if await is_paused():
            await resume()
        return bool(await notify.items("/v1/notices", subject="behind", state="delivered"))

    await eventually(is_through, 60, "what is behind the flood")
    assert await letters() == INVALID
    assert not await is_paused()

"""Requests sent again under their key: to another replica, after a kill, at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.messaging.core.failpoints import Failpoint
from tests.component.harness import Service, eventually, records
from tests.component.test_scheduler import COORDINATION

AT_ONCE = 6


async def issue(service: Service, key: str) -> httpx.Response:
    """A circular without an id: each that takes effect is another one."""
    headers = {**COORDINATION, "Idempotency-Key": key}
    return await service.http.post("/v1/circulars", json={"catalogue_version": 1}, headers=headers)


async def insist(service: Service, key: str) -> httpx.Response:
    """Ask as a client does: again, for as long as it is told that it is in progress."""

    async def answered() -> httpx.Response | None:
        answer = await issue(service, key)
        if answer.status_code != 409:
            return answer
        assert answer.json()["type"] == "urn:peygir:problem:in-progress"
        assert answer.headers["Retry-After"] == "1"
        return None

    answer = await eventually(answered, 30, "an answer")  # what the dead one left open, ends
    assert answer is not None
    return answer


async def told(cluster: Cluster, topics: Topics) -> set[str]:
    """The circulars of the topic, where an event may stand twice."""
    return {record.key.decode() for record in await records(cluster, topics.circulars)}


@pytest.mark.parametrize("step", [Failpoint.COMMIT_RECORDED, Failpoint.COMMIT_DONE])
async def test_killed_around_the_commit_another_replica_answers_the_same(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path, step: Failpoint
) -> None:
    key, before = f"after-{step.value}", await told(cluster, topics)
    dying = Service("reports", cluster, namespace, test_folder)
    try:
        await dying.start(PEYGIR_FAULT=step.value)
        with pytest.raises(httpx.HTTPError):
            await issue(dying, key)
        assert await dying.died() != 0
    finally:
        await dying.close()
    async with Service("reports", cluster, namespace, test_folder) as other:
        first = await insist(other, key)
        again = await issue(other, key)
        assert (first.status_code, again.content) == (201, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert ("Idempotent-Replayed" in first.headers) == (step is Failpoint.COMMIT_DONE)

        async def published() -> bool:
            return await told(cluster, topics) == {*before, first.json()["circular_id"]}

        await eventually(published, what="one circular in the topic")
        other_body = await other.http.post(
            "/v1/circulars",
            json={"catalogue_version": 1, "provinces": ["IR-09"]},
            headers={**COORDINATION, "Idempotency-Key": key, "Accept-Language": "fa-IR"},
        )
        assert (other_body.status_code, other_body.headers["Content-Language"]) == (422, "fa")
        assert other_body.json()["title"] == "این کلید برای درخواست دیگری به کار رفته است"


async def test_at_once_through_two_replicas_it_takes_effect_once(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> None:
    async with (
        Service("reports", cluster, namespace, test_folder) as one,
        Service("reports", cluster, namespace, test_folder) as two,
    ):
        before = len(await one.items("/v1/circulars"))
        answers = await asyncio.gather(
            *(issue(service, "at-once") for service in (one, two) * AT_ONCE)
        )
        made = {answer.content for answer in answers if answer.status_code == 201}
        rest = [answer for answer in answers if answer.status_code != 201]
        assert len(made) == 1
        assert all(answer.status_code == 409 and answer.headers["Retry-After"] for answer in rest)
        assert len(await two.items("/v1/circulars")) == before + 1
        assert (await issue(two, "at-once")).content in made

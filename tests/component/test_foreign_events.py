"""What others send, to the real service over a real Kafka: odd and right, odd and wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, binary, create_topics, eventually, records

pytestmark = pytest.mark.asyncio(loop_scope="module")

COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
NULL = cast(bytes, None)  # what Kafka allows and its client's types do not
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Headers = list[tuple[str, bytes]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicas(
    cluster: Cluster, namespace: str, test_folder: Path
) -> AsyncIterator[Sequence[Service]]:
    """Two replicas of the service, each with its own API."""
    create_topics(cluster, namespace)
    settings = {"PEYGIR_DEPUTIES": "civil,social"}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Service("followups", cluster, namespace, test_folder, **settings)
            )
            for _ in range(2)
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def producer(cluster: Cluster) -> AsyncIterator[Producer]:
    async with Producer(cluster) as producer:
        yield producer


def approval(resolution_id: str, deputy: str = "civil", **changes: Any) -> dict[str, Any]:
    return {
        "resolution_id": resolution_id,
        "deputy": deputy,
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": "2023-10-16T10:00:00+03:30",
        "due_on": "2030-01-01",
        **changes,
    }


def document(resolution_id: str, **changes: Any) -> dict[str, Any]:
    """An approval in structured mode."""
    return {
        "specversion": "1.0",
        "id": f"n-{resolution_id}",
        "source": "/foreign",
        "type": "peygir.ResolutionApproved.v1",
        "data": approval(resolution_id),
        **changes,
    }


def four(resolution_id: str, **changes: bytes | None) -> Headers:
    """The four attributes that are asked, as headers; of these others, None: it is not there."""
    headers = dict(binary("ResolutionApproved", f"n-{resolution_id}"))
    headers |= {f"ce_{name}": cast(bytes, raw) for name, raw in changes.items()}
    left_out = {f"ce_{name}" for name, raw in changes.items() if raw is None}
    return [(name, raw) for name, raw in headers.items() if name not in left_out]


def odd_and_right() -> dict[str, tuple[Headers, bytes]]:
    """By resolution id."""

    def plain(id_: str) -> bytes:
        return json.dumps(approval(id_)).encode()

    def whole(id_: str, **changes: Any) -> bytes:
        return json.dumps(document(id_, **changes)).encode()

    return {
        "null-type": ([*four("null-type"), ("content-type", NULL)], plain("null-type")),
        "bytes-type": ([*four("bytes-type"), ("content-type", b"\xff")], plain("bytes-type")),
        "two-types": (
            [*four("two-types"), ("content-type", b"application/json"), STRUCTURED],
            plain("two-types"),
        ),
        "null-subject": ([*four("null-subject"), ("ce_subject", NULL)], plain("null-subject")),
        "bad-trace": (
            [*four("bad-trace"), ("ce_traceparent", b"ff" + TRACE[2:])],
            plain("bad-trace"),
        ),
        "mark": (four("mark"), b"\xef\xbb\xbf" + plain("mark")),
        "mark-structured": ([STRUCTURED], b"\xef\xbb\xbf" + whole("mark-structured")),
        "no-header": ([], whole("no-header")),
        "null-members": ([STRUCTURED], whole("null-members", subject=None, time=None)),
        "odd-members": ([STRUCTURED], whole("odd-members", subject=5, time="soon", X_odd=[])),
        "long-id": ([STRUCTURED], whole("long-id", id=" " + "ن" * 1_022 + " ")),
    }


def odd_and_wrong() -> dict[str, tuple[Headers, bytes | None, str]]:
    """By a name, with the reason of each."""
    whole = json.dumps(document("wrong")).encode()
    return {
        "no-id": (four("wrong", id=None), b"{}", "missing-attribute"),
        "version": (four("wrong", specversion=b"0.3"), b"{}", "unsupported-version"),
        "null-id": ([*four("wrong", id=None), ("ce_id", NULL)], b"{}", "invalid-attribute"),
        "bytes-kind": (four("wrong", type=b"\xff"), b"{}", "invalid-attribute"),
        "null": (four("wrong"), None, "null-value"),
        "null-structured": ([STRUCTURED, *four("wrong")], None, "null-value"),
        "cut": ([STRUCTURED], whole[:-20], "broken-json"),
        "broken-beside": ([STRUCTURED, *four("wrong")], b"{", "broken-json"),
        "utf-16": (four("wrong"), json.dumps(approval("w")).encode("utf-16"), "broken-json"),
        "batch": (
            [("content-type", b"application/cloudevents-batch+json")],
            b"[" + whole + b"]",
            "unsupported-content-type",
        ),
        "other-type": (
            [("content-type", b"application/json")],
            whole,
            "missing-attribute",
        ),
    }


async def followup_of(service: Service, resolution_id: str) -> dict[str, Any]:
    async def found() -> list[dict[str, Any]]:
        return await service.items("/v1/followups", resolution_id=resolution_id)

    return (await eventually(found, 30, resolution_id))[0]


async def test_what_is_odd_and_right_is_followed(
    cluster: Cluster, replicas: Sequence[Service], producer: Producer, topics: Topics
) -> None:
    for id_, (headers, value) in odd_and_right().items():
        await producer.send(topics.resolutions("civil"), value, key=id_, headers=headers)
    for id_ in odd_and_right():
        assert (await followup_of(replicas[0], id_))["version"] == 1

    async def opened() -> list[Any]:
        found = await records(cluster, topics.followups("civil"))
        return [record for record in found if record.key == b"bad-trace"]

    (event,) = await eventually(opened, 20, "its event")
    assert "ce_traceparent" not in dict(event.headers)


async def test_who_sent_what_is_wrong_finds_it_under_its_source(
    cluster: Cluster, replicas: Sequence[Service], producer: Producer, topics: Topics
) -> None:
    topic = topics.resolutions("civil")
    for name, (headers, value, _) in odd_and_wrong().items():
        await producer.send(topic, value, key=name, headers=headers)
    sent = {r.key.decode(): r for r in await records(cluster, topic) if r.key}
    wanted = {
        (sent[name].partition, sent[name].offset): reason
        for name, (_, _, reason) in odd_and_wrong().items()
    }

    async def told() -> list[dict[str, Any]]:
        found = [r for r in await records(cluster, topics.rejections) if r.key == b"/foreign"]
        data = [json.loads(record.value) for record in found]
        mine = [d for d in data if (d["partition"], d["offset"]) in wanted]
        return mine if len(mine) == len(wanted) else []

    for data in await eventually(told, 30, "all of them under the source"):
        assert data["reason"] == wanted[data["partition"], data["offset"]]
        assert (data["source"], data["topic"], data["service"]) == ("/foreign", topic, "followups")


async def test_an_amendment_of_a_fast_clock_shuts_no_later_one_out(
    replicas: Sequence[Service], producer: Producer, topics: Topics
) -> None:
    topic = topics.resolutions("civil")
    await producer.event(topic, "ResolutionApproved", approval("fast"), key="fast", id_="1")
    now = datetime.now(UTC)
    for n, (ahead, due_on) in enumerate(
        [(timedelta(hours=6), "2031-01-01"), (timedelta(0), "2032-01-01")]
    ):
        change = {
            "resolution_id": "fast",
            "deputy": "civil",
            "amended_at": (now + ahead).isoformat(),
            "due_on": due_on,
        }
        await producer.event(topic, "ResolutionAmended", change, key="fast", id_=f"a{n}")

    async def amended() -> bool:
        return bool((await followup_of(replicas[0], "fast"))["version"] == 3)

    await eventually(amended, 30, "both amendments")
    assert (await followup_of(replicas[0], "fast"))["due_on"] == "2032-01-01"


async def test_two_replicas_close_no_circle_between_them(
    replicas: Sequence[Service], producer: Producer, topics: Topics
) -> None:
    pairs = [(f"ring-{n}-a", f"ring-{n}-b") for n in range(4)]
    for a, b in pairs:
        for id_, deputy in ((a, "civil"), (b, "social")):
            data = approval(id_, deputy)
            topic = topics.resolutions(deputy)
            await producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)

    async def link(service: Service, followup_id: str, predecessor: str) -> tuple[int, Any]:
        path = f"/v1/followups/{followup_id}/link"
        body = {"predecessor": predecessor}
        answer = await service.http.post(path, json=body, headers=COORDINATION)
        return answer.status_code, answer.json()

    for a, b in pairs:
        ids = [(await followup_of(replicas[0], id_))["followup_id"] for id_ in (a, b)]
        answers = await asyncio.gather(link(replicas[0], ids[0], b), link(replicas[1], ids[1], a))
        assert sorted(status for status, _ in answers) == [200, 409]
        (refused,) = [problem for status, problem in answers if status == 409]
        assert refused["type"].endswith("predecessor-circle")
        assert a in refused["detail"]
        assert b in refused["detail"]

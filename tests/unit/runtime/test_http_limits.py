"""What a request may be: each limit is refused with a problem that names it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from shared.runtime.http import LongBody, RequestLimits
from shared.runtime.http.bodies import BodyGate
from shared.runtime.http.json_limits import require_simple
from shared.runtime.http.limits import RequestGate
from shared.runtime.problems import Problem
from tests.unit.runtime.api import LIMITS, build, calling
from tests.unit.runtime.test_http_problems import problem

SMALL = RequestLimits(
    body_bytes=10_000,
    target_bytes=500,
    header_bytes=2_000,
    query_parameters=5,
    json_depth=4,
    json_values=50,
    json_characters=100,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(build(limits=SMALL)) as client:
        yield client


async def test_a_long_address_is_refused(client: httpx.AsyncClient) -> None:
    document = problem(await client.get("/v1/things/" + "x" * 500), 414, "address-too-long")
    assert "500 bytes" in document["detail"]
    problem(await client.get("/v1/things", params={"deputy": "x" * 500}), 414, "address-too-long")


async def test_large_headers_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things", headers={"X-Anything": "x" * 2_000})
    assert "2000 bytes" in problem(answer, 431, "headers-too-large")["detail"]


async def test_many_parameters_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/things?" + "&".join(["deputy=a"] * 5))).status_code == 422
    answer = await client.get("/v1/things?" + "&".join(["deputy=a"] * 6))
    document = problem(answer, 422, "too-many-parameters")
    assert "5 parameters" in document["detail"]
    assert [error["field"] for error in document["errors"]] == ["query"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"title": "t", "x": [[[[1]]]]}, "inside each other 4 times"),
        ({"title": "t" * 101}, "100 characters"),
        ({"t" * 101: 1}, "100 characters"),
        ({"title": "t", "x": list(range(50))}, "50 values"),
    ],
)
async def test_a_complex_body_is_refused(client: httpx.AsyncClient, body: Any, named: str) -> None:
    answer = await client.post("/v1/things", json=body)
    document = problem(answer, 422, "too-complex")
    assert named in document["detail"]
    assert [(e["field"], e["pointer"]) for e in document["errors"]] == [("body", "")]


async def test_a_body_deeper_than_any_parser_goes_is_refused(client: httpx.AsyncClient) -> None:
    body = b"[" * 300 + b"]" * 300
    headers = {"content-type": "application/json"}
    answer = await client.post("/v1/things", content=body, headers=headers)
    assert "inside each other" in problem(answer, 422, "too-complex")["detail"]


@pytest.mark.parametrize(
    "request_",
    [
        ("GET", "/v1/things/" + "x" * 500, {}),
        ("GET", "/v1/things", {"headers": {"X-Anything": "x" * 2_000}}),
        ("GET", "/v1/things?a&a&a&a&a&a", {}),
        ("POST", "/v1/things", {"json": {"title": "t" * 101}}),
    ],
)
async def test_in_persian_too(
    client: httpx.AsyncClient, request_: tuple[str, str, dict[str, Any]]
) -> None:
    method, path, rest = request_
    headers = {**rest.pop("headers", {}), "Accept-Language": "fa"}
    document = (await client.request(method, path, headers=headers, **rest)).json()
    assert "بیش از اندازه" in document["title"]
    assert "حداکثر" in document["detail"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=80,
)


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inside), default=0) if isinstance(value, dict | list) else 0


def count(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + (sum(map(count, inside)) if isinstance(value, dict | list) else 0)


def longest(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max((*map(longest, value.values()), *map(len, value)), default=0)
    return max(map(longest, value), default=0) if isinstance(value, list) else 0


@given(_VALUES)
def test_the_limits_are_exact(value: Any) -> None:
    simple = depth(value) <= 4 and count(value) <= 50 and longest(value) <= 100
    with nullcontext() if simple else pytest.raises(Problem, match="may"):
        require_simple(value, SMALL)


# -- bodies in time -------------------------------------------------------------------------------


class Line:
    """A client that sends `parts` with a pause before each one, on a clock of its own."""

    def __init__(self, parts: list[bytes], pause: float) -> None:
        self.now = 0.0
        self._parts = parts
        self._pause = pause

    def monotonic(self) -> float:
        return self.now

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        self.now += self._pause
        body = self._parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._parts)}


async def read_whole(line: Line, limits: RequestLimits) -> int:
    """The bytes that an app gets of a body behind the gate. Raises its Problem."""
    got = 0

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        nonlocal got
        more = True
        while more:
            message = await receive()
            got += len(message["body"])
            more = message["more_body"]

    gate = BodyGate(app, limits, monotonic=line.monotonic)
    scope: Scope = {"type": "http", "method": "POST", "path": "/v1/things", "headers": []}
    await gate(scope, line.receive, lambda _: asyncio.sleep(0))
    return got


async def test_a_byte_a_second_does_not_hold_a_request() -> None:
    line = Line([b"x"] * 1_000, pause=1.0)
    with pytest.raises(Problem) as refusal:
        await read_whole(line, replace(LIMITS, body_seconds=20, body_bytes_per_second=1_000))
    assert (refusal.value.status_code, refusal.value.slug) == (408, "body-too-slow")
    assert 19 <= line.now <= 22


async def test_a_slow_line_has_the_time_that_it_earns() -> None:
    line = Line([b"x" * 1_100] * 90, pause=1.0)
    limits = replace(LIMITS, body_bytes=100_000, body_seconds=5, body_bytes_per_second=1_000)
    assert await read_whole(line, limits) == 99_000


async def test_a_client_that_sends_nothing_is_refused_in_time() -> None:
    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await receive()

    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    gate = BodyGate(app, replace(LIMITS, body_seconds=0.05))
    scope: Scope = {"type": "http", "method": "POST", "path": "/v1/things", "headers": []}
    async with asyncio.timeout(5):
        with pytest.raises(Problem) as refusal:
            await gate(scope, silence, lambda _: asyncio.sleep(0))
    assert refusal.value.status_code == 408


async def test_waiting_for_a_disconnect_has_no_limit() -> None:
    """A streamed answer listens for the client's end all the time."""
    heard: list[str] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        heard.append((await receive())["type"])

    async def late() -> Message:
        await asyncio.sleep(0.1)
        return {"type": "http.disconnect"}

    gate = BodyGate(app, replace(LIMITS, body_seconds=0.01))
    scope: Scope = {"type": "http", "method": "GET", "path": "/v1/things", "headers": []}
    await gate(scope, late, lambda _: asyncio.sleep(0))
    assert heard == ["http.disconnect"]


class Upload:
    """A client that sends a long file, and notes what was read of it and what was answered."""

    def __init__(self, parts: int) -> None:
        self.left = parts
        self.answered: list[str] = []

    async def receive(self) -> Message:
        self.left -= 1
        return {"type": "http.request", "body": bytes(10_000), "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body")
        self.answered.append(f"end, {self.left} left" if last else message["type"])


async def test_of_a_file_that_grows_too_long_the_rest_is_drained_before_the_answer_ends() -> None:
    """Otherwise the client, which is still sending, would see a reset and no answer."""
    app, upload = build(), Upload(parts=40)
    path = "/v1/things/7/file"
    scope: Scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    await app(scope, upload.receive, upload.send)
    assert upload.answered == ["http.response.start", "http.response.body", "end, 0 left"]


# -- at a time -------------------------------------------------------------------------------------


async def answered(app: Any, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of an answer."""
    status, headers, content = 0, {}, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers, content
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode(): value.decode() for name, value in message["headers"]}
        content += message.get("body", b"")

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)
    return status, headers, content


class Busy:
    """An app that answers when it is allowed to."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        self.entered.release()
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("gate", "path", "method", "slug"),
    [
        (
            lambda app: RequestGate(app, replace(LIMITS, requests=2)),
            "/v1/things",
            "GET",
            "too-many-requests-open",
        ),
        (
            lambda app: BodyGate(
                app, replace(LIMITS, uploads=2), [LongBody("PUT", "/v1/file/{id}", 10)]
            ),
            "/v1/file/a",
            "PUT",
            "too-many-uploads",
        ),
    ],
)
async def test_one_too_many_at_a_time_is_asked_to_come_again(
    gate: Any, path: str, method: str, slug: str
) -> None:
    app = Busy()
    gated = gate(app)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(answered(gated, path, method)) for _ in range(2)]
        for _ in running:
            await app.entered.acquire()
        status, headers, content = await answered(gated, path, method)
        assert (status, json.loads(content)["type"]) == (503, f"urn:peygir:problem:{slug}")
        assert int(headers["retry-after"]) >= 1
        probe = None
        if slug == "too-many-requests-open":  # a load is not a failure
            probe = group.create_task(answered(gated, "/livez"))
            await app.entered.acquire()
        app.go_on.set()
    assert {task.result()[0] for task in running} == {200}
    assert probe is None or probe.result()[0] == 200
    assert (await answered(gated, path, method))[0] == 200

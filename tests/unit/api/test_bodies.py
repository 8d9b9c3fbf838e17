"""Whatever is sent to whichever route: it is taken whole or refused by name, and nothing fails.

`PEYGIR_FUZZ_EXAMPLES` says how many requests each service gets (by default 150).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.contracts.envelope import read, write
from shared.contracts.events import EVENTS, parse
from shared.messaging.core.model import Event
from tests.unit.api.example_requests import POSTS, SERVICES, Ask, Place, opened, reads
from tests.unit.api.odd_bodies import RAW, bodies, each, odd_texts, written
from tests.unit.published import as_sent
from tools.schemas import schema

EXAMPLES: Final = int(os.environ.get("PEYGIR_FUZZ_EXAMPLES", "150"))
WRITING: Final = [service for service, asks in POSTS.items() if asks]
_JSON: Final = {"Content-Type": "application/json"}
_VALIDATORS: Final = {name: Draft202012Validator(schema(event)) for name, event in EVENTS.items()}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_operation_has_a_request_that_is_taken(service: str) -> None:
    """Else what is sent to it below would not come past 404, 403 and 409."""
    async with opened(service) as place:
        document = place.counter.app.openapi()
        tried = {ask.operation for ask in (*POSTS[service], *reads(document))}
        there = {(m, path) for path, ops in document["paths"].items() for m in ops}
        assert there - tried == (
            {("post", "/v1/followups/bulk")} if service == "followups" else set()
        )
    for ask in POSTS[service]:
        async with opened(service) as place:
            before = place.told()
            await place.taken(ask)
            assert all_read(place, before), ask.operation


@pytest.mark.parametrize("service", WRITING)
async def test_each_field_in_each_odd_way_is_taken_whole_or_refused_by_name(service: str) -> None:
    for ask in POSTS[service]:
        left = list(each(ask.body)) if ask.body else []
        while left:
            async with opened(service) as place:
                while left:
                    body = written(left.pop())
                    if await sent(place, ask, body, {**ask.who, **_JSON}):
                        break  # as if nothing had happened before the next


@pytest.mark.parametrize("service", WRITING)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
async def test_any_body_is_taken_whole_or_refused_by_name(
    service: str, data: st.DataObject
) -> None:
    async with opened(service) as place:
        document = place.counter.app.openapi()
        ask = data.draw(st.sampled_from([ask for ask in POSTS[service] if ask.content is None]))
        operation = document["paths"][f"/v1{ask.path}"][ask.method]
        wanted = _json_schema(operation)
        if wanted is None:
            content, headers = data.draw(st.sampled_from(RAW))
        elif data.draw(st.integers(0, 4)):
            content, headers = written(data.draw(bodies(document, wanted, ask.body))), _JSON
        else:
            content, headers = data.draw(st.sampled_from(RAW))
        await sent(place, ask, content, {**ask.who, **headers})


@pytest.mark.parametrize("service", SERVICES)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
async def test_any_parameter_is_taken_or_refused_by_name(service: str, data: st.DataObject) -> None:
    async with opened(service) as place:
        document = place.counter.app.openapi()
        ask = data.draw(st.sampled_from([*POSTS[service], *reads(document)]))
        parameters = document["paths"][f"/v1{ask.path}"][ask.method].get("parameters", [])
        of, query, headers = place.of(ask), dict(ask.query), {**ask.who, **_JSON}
        for parameter in parameters:
            if data.draw(st.integers(0, 2)):
                continue
            value = data.draw(_values(parameter))
            match parameter["in"]:
                case "path" if value:
                    of[parameter["name"]] = value
                case "query":
                    query[parameter["name"]] = value
                case "header":
                    headers[parameter["name"]] = value
        content = ask.content or (b"" if ask.body is None else written(ask.body))
        await sent(place, ask, content, headers, of, query)


@pytest.mark.parametrize("service", WRITING)
async def test_a_body_that_is_no_json_is_refused(service: str) -> None:
    """All of them, to one operation: it is the same code for every other."""
    async with opened(service) as place:
        ask = next(ask for ask in POSTS[service] if ask.body)
        for content, headers in RAW:
            await sent(place, ask, content, {**ask.who, **headers})


async def sent(
    place: Place,
    ask: Ask,
    content: bytes,
    headers: Mapping[str, str],
    of: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> bool:
    """Send it, hold the answer to what is promised, and say whether it was taken."""
    values = {name: _escaped(value) for name, value in (of or place.of(ask)).items()}
    asked = query if query is not None else ask.query
    search = "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in asked.items())
    url = f"http://peygir/v1{ask.path.format(**values)}?{search}"
    raw = [(n.encode(), v.encode("utf-8", "replace")) for n, v in headers.items()]
    before = place.told()
    answer = await place.counter.http.request(ask.method, url, content=content, headers=raw)
    told = all_read(place, before)
    if not answer.is_success:
        refused(answer)
        assert not told, "what is refused leaves nothing"
    elif told:
        await all_shown(place, ask)
    return answer.is_success


def refused(answer: httpx.Response) -> None:
    """A problem that is the asker's, and says of which field where it is one."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem.get("errors") or answer.status_code != 422, problem


def all_read(place: Place, before: list[Event]) -> list[Event]:
    """What was told since, each as whoever reads it finds it."""
    told = place.told()
    new = [event for event in told if event not in before]
    for event in new:
        cloud_event = as_sent(event)
        received = read(*write(cloud_event))
        assert received == cloud_event
        data = parse(received)
        assert data.to_json() == event.data, "read as it was told"
        _VALIDATORS[event.type].validate(json.loads(event.data))
    return new


async def all_shown(place: Place, changed: Ask) -> None:
    """What was changed can be read still."""
    values = {**place.ids, **place.of(changed)}
    for ask in reads(place.counter.app.openapi()):
        alike = ask.path.split("/")[1] == changed.path.split("/")[1]
        if not (ask.of and alike) or "{evidence_id}" in ask.path:
            continue
        path = ask.path.format(**{name: _escaped(values[name]) for name in ask.of})
        answer = await place.counter.http.get(f"/v1{path}")
        assert answer.status_code == 200, (path, answer.text)


def _values(parameter: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """What may stand there, and what may not."""
    kinds = [parameter["schema"], *parameter["schema"].get("anyOf", [])]
    listed = [value for kind in kinds for value in kind.get("enum", [])]
    numbers = st.sampled_from(["0", "1", "-1", "500", "501", "٣", "1e3", "1" * 5_000, str(2**64)])
    return st.one_of(odd_texts, numbers, *([st.sampled_from(listed)] if listed else []))


def _json_schema(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def _escaped(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"), safe="")

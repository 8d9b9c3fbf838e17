"""Every request to any route is accepted as a whole or refused with the name of a field.

`PEYGIR_FUZZ_EXAMPLES` sets the number of requests per service (by default 150).
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
from tests.unit.api.example_requests import POSTS, SERVICES, Example, Prepared, opened, reads
from tests.unit.api.odd_bodies import RAW, bodies, each, odd_texts, written
from tests.unit.published import as_sent
from tools.schemas import schema

EXAMPLES: Final = int(os.environ.get("PEYGIR_FUZZ_EXAMPLES", "150"))
WRITING: Final = [service for service, examples in POSTS.items() if examples]
_JSON: Final = {"Content-Type": "application/json"}
_VALIDATORS: Final = {name: Draft202012Validator(schema(event)) for name, event in EVENTS.items()}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_operation_has_a_request_that_is_taken(service: str) -> None:
    """Otherwise the requests below would only get 404, 403 and 409."""
    async with opened(service) as prepared:
        document = prepared.client.app.openapi()
        tried = {example.operation for example in (*POSTS[service], *reads(document))}
        there = {(m, path) for path, ops in document["paths"].items() for m in ops}
        assert there - tried == (
            {("post", "/v1/followups/bulk")} if service == "followups" else set()
        )
    for example in POSTS[service]:
        async with opened(service) as prepared:
            before = prepared.events()
            await prepared.send(example)
            assert all_read(prepared, before), example.operation


@pytest.mark.parametrize("service", WRITING)
async def test_each_field_in_each_odd_way_is_taken_whole_or_refused_by_name(service: str) -> None:
    for example in POSTS[service]:
        left = list(each(example.body)) if example.body else []
        while left:
            async with opened(service) as prepared:
                while left:
                    body = written(left.pop())
                    if await sent(prepared, example, body, {**example.who, **_JSON}):
                        break  # as if nothing had happened before the next


@pytest.mark.parametrize("service", WRITING)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
async def test_any_body_is_taken_whole_or_refused_by_name(
    service: str, data: st.DataObject
) -> None:
    async with opened(service) as prepared:
        document = prepared.client.app.openapi()
        example = data.draw(
            st.sampled_from([example for example in POSTS[service] if example.content is None])
        )
        operation = document["paths"][f"/v1{example.path}"][example.method]
        wanted = _json_schema(operation)
        if wanted is None:
            content, headers = data.draw(st.sampled_from(RAW))
        elif data.draw(st.integers(0, 4)):
            content, headers = written(data.draw(bodies(document, wanted, example.body))), _JSON
        else:
            content, headers = data.draw(st.sampled_from(RAW))
        await sent(prepared, example, content, {**example.who, **headers})


@pytest.mark.parametrize("service", SERVICES)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
async def test_any_parameter_is_taken_or_refused_by_name(service: str, data: st.DataObject) -> None:
    async with opened(service) as prepared:
        document = prepared.client.app.openapi()
        example = data.draw(st.sampled_from([*POSTS[service], *reads(document)]))
        parameters = document["paths"][f"/v1{example.path}"][example.method].get("parameters", [])
        of, query, headers = (
            prepared.path_values(example),
            dict(example.query),
            {**example.who, **_JSON},
        )
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
        content = example.content or (b"" if example.body is None else written(example.body))
        await sent(prepared, example, content, headers, of, query)


@pytest.mark.parametrize("service", WRITING)
async def test_a_body_that_is_no_json_is_refused(service: str) -> None:
    """All of them, to one operation: the others use the same code."""
    async with opened(service) as prepared:
        example = next(example for example in POSTS[service] if example.body)
        for content, headers in RAW:
            await sent(prepared, example, content, {**example.who, **headers})


async def sent(
    prepared: Prepared,
    example: Example,
    content: bytes,
    headers: Mapping[str, str],
    of: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> bool:
    """Send it, check the answer, and return whether it was accepted."""
    values = {
        name: _escaped(value) for name, value in (of or prepared.path_values(example)).items()
    }
    asked = query if query is not None else example.query
    search = "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in asked.items())
    url = f"http://peygir/v1{example.path.format(**values)}?{search}"
    raw = [(n.encode(), v.encode("utf-8", "replace")) for n, v in headers.items()]
    before = prepared.events()
    answer = await prepared.client.http.request(example.method, url, content=content, headers=raw)
    new = all_read(prepared, before)
    if not answer.is_success:
        refused(answer)
        assert not new, "a refused request leaves nothing"
    elif new:
        await all_shown(prepared, example)
    return answer.is_success


def refused(answer: httpx.Response) -> None:
    """Check that it is a problem with a status of 400 to 499, which names a field if it is 422."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem.get("errors") or answer.status_code != 422, problem


def all_read(prepared: Prepared, before: list[Event]) -> list[Event]:
    """The events since then, each checked as a consumer reads it."""
    new = [event for event in prepared.events() if event not in before]
    for event in new:
        cloud_event = as_sent(event)
        received = read(*write(cloud_event))
        assert received == cloud_event
        data = parse(received)
        assert data.to_json() == event.data, "it is read as it was written"
        _VALIDATORS[event.type].validate(json.loads(event.data))
    return new


async def all_shown(prepared: Prepared, changed: Example) -> None:
    """Check that what was changed can still be read."""
    values = {**prepared.ids, **prepared.path_values(changed)}
    for example in reads(prepared.client.app.openapi()):
        alike = example.path.split("/")[1] == changed.path.split("/")[1]
        if not (example.of and alike) or "{evidence_id}" in example.path:
            continue
        path = example.path.format(**{name: _escaped(values[name]) for name in example.of})
        answer = await prepared.client.http.get(f"/v1{path}")
        assert answer.status_code == 200, (path, answer.text)


def _values(parameter: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """Values that are allowed, and values that are not."""
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

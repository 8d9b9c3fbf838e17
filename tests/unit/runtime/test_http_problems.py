"""Every error of the API is a problem document that says what is wrong where."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.unit.runtime.api import BODY_LIMIT, FILE_LIMIT, build, calling

JSON = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(build()) as client:
        yield client


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The document of a problem, after checking what all have in common."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"] == f"urn:peygir:problem:{slug}"
    assert document["title"]
    return document


async def test_wrong_fields_are_named(client: httpx.AsyncClient) -> None:
    body = {"axes": [{"answered": 1}, {"answered": "many"}], "notes": {"a/b~c": "x"}}
    document = problem(await client.post("/v1/things", json=body), 422, "invalid")
    errors = {error["field"]: error for error in document["errors"]}
    assert errors.keys() == {"title", "axes.1.answered", "notes.a/b~c"}
    assert errors["axes.1.answered"]["pointer"] == "/axes/1/answered"
    assert errors["notes.a/b~c"]["pointer"] == "/notes/a~1b~0c"
    assert "integer" in errors["axes.1.answered"]["detail"]
    assert "title: Field required" in document["detail"]


async def test_the_input_is_not_repeated(client: httpx.AsyncClient) -> None:
    body = {"title": "t", "axes": [{"answered": "a-secret"}]}
    answer = await client.post("/v1/things", json=body)
    problem(answer, 422, "invalid")
    assert "a-secret" not in answer.text


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[1,", b'{"title": }', b"\xff\xfe\x00", b"[" * 9_000, b"9" * 5_000]
)
async def test_a_broken_body_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/things", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_refusal_of_malformed_json_names_the_position(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", content=b'{"title": }', headers=JSON)
    document = problem(answer, 400, "malformed-json")
    assert document["detail"] == "Expecting value at character 10"


@given(st.binary(max_size=200))
async def test_no_body_makes_the_service_fail(body: bytes) -> None:
    async with calling(build()) as client:
        answer = await client.post("/v1/things", content=body, headers=JSON)
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "\\ud800"}',
        b'{"title": "t", "notes": {"\\udfff": 1}}',
        b'{"title": "t", "notes": {"a": NaN}}',
        b'{"title": "t", "extra": -Infinity}',
        '{"title": "t"}'.encode("utf-16"),
    ],
)
async def test_json_that_only_python_accepts_is_refused(
    client: httpx.AsyncClient, body: bytes
) -> None:
    problem(await client.post("/v1/things", content=body, headers=JSON), 400, "malformed-json")


async def test_a_whole_surrogate_pair_is_a_character(client: httpx.AsyncClient) -> None:
    body = b'{"title": "\\ud83d\\udcc5"}'
    answer = await client.post("/v1/things", content=body, headers=JSON)
    assert answer.json()["title"] == "\U0001f4c5"


async def test_the_refusal_of_a_form_asks_for_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", data={"title": "t"})
    assert "application/json" in problem(answer, 415, "unsupported-media-type")["detail"]


async def test_a_missing_body_is_a_missing_field(client: httpx.AsyncClient) -> None:
    document = problem(await client.post("/v1/things"), 422, "invalid")
    assert document["errors"] == [{"field": "body", "detail": "Field required", "pointer": ""}]


async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient) -> None:
    document = problem(await client.get("/v1/things?limit=many"), 422, "invalid")
    assert [error["field"] for error in document["errors"]] == ["limit"]
    assert "pointer" not in document["errors"][0]


async def test_an_unknown_parameter_is_named_with_those_that_exist(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/v1/things?resolution=1&limit=5&deputi=civil&resolution=2")
    document = problem(answer, 422, "invalid")
    assert [error["field"] for error in document["errors"]] == ["resolution", "deputi"]
    assert "cursor, deputy, limit" in document["errors"][0]["detail"]


async def test_an_item_takes_no_parameters(client: httpx.AsyncClient) -> None:
    document = problem(await client.get("/v1/things/7?verbose=1"), 422, "invalid")
    assert document["errors"][0]["field"] == "verbose"


async def test_documented_parameters_are_accepted(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things?limit=5&deputy=civil")
    assert answer.status_code == 200
    assert answer.json()["items"] == ["civil 5 None"]


async def test_a_problem_of_the_service(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/teapot")
    assert problem(answer, 418, "teapot")["detail"] == "کتری"
    assert "کتری" in answer.text
    assert answer.headers["retry-after"] == "3"


async def test_a_missing_item(client: httpx.AsyncClient) -> None:
    document = problem(await client.get("/v1/things/7"), 404, "not-found")
    assert document["detail"] == "no thing 7"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/things/7/", "/docs/nothing.js"])
async def test_an_unknown_path(client: httpx.AsyncClient, path: str) -> None:
    problem(await client.get(path), 404, "not-found")


async def test_an_unknown_method(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/things/7")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_only_the_log_has_the_details_of_an_unexpected_error(
    client: httpx.AsyncClient,
) -> None:
    structlog.contextvars.clear_contextvars()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        answer = await client.get(
            "/v1/things/boom", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        )
    problem(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    (line,) = logged
    assert line["log_level"] == "error"
    assert line["exc_info"]
    assert line["route"] == "/v1/things/{thing_id}"
    assert line["trace"] == trace
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_body_within_the_limit_is_accepted(client: httpx.AsyncClient) -> None:
    empty = len(json.dumps({"title": ""}))
    body = json.dumps({"title": "x" * (BODY_LIMIT - empty)}).encode()
    assert len(body) == BODY_LIMIT
    answer = await client.post("/v1/things", content=body, headers=JSON)
    assert answer.status_code == 201
    longer = await client.post("/v1/things", content=body + b" ", headers=JSON)
    problem(longer, 413, "body-too-large")


class Upload:
    """Fifty megabytes, made as they are read."""

    SIZE = 50_000_000
    PART = 1_000

    def __init__(self) -> None:
        self.taken = 0

    async def parts(self) -> AsyncIterator[bytes]:
        while self.taken < self.SIZE:
            self.taken += self.PART
            yield b"x" * self.PART


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/things"), ("PUT", "/v1/things/7/raw")])
async def test_a_streamed_body_is_not_read_past_the_limit(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    upload = Upload()
    answer = await client.request(method, path, content=upload.parts(), headers=JSON)
    document = problem(answer, 413, "body-too-large")
    assert str(BODY_LIMIT) in document["detail"]
    assert BODY_LIMIT < upload.taken <= BODY_LIMIT + 2 * upload.PART


async def test_an_announced_body_is_not_read_at_all(client: httpx.AsyncClient) -> None:
    upload = Upload()
    headers = {**JSON, "content-length": str(upload.SIZE)}
    answer = await client.post("/v1/things", content=upload.parts(), headers=headers)
    problem(answer, 413, "body-too-large")
    assert upload.taken == 0


async def test_a_route_that_reads_its_body_itself_has_its_own_limit(
    client: httpx.AsyncClient,
) -> None:
    path = "/v1/things/7/file"
    whole = await client.put(path, content=b"x" * FILE_LIMIT)
    assert (whole.status_code, whole.json()) == (200, {"bytes": FILE_LIMIT})
    problem(await client.put(path, content=b"x" * (FILE_LIMIT + 1)), 413, "body-too-large")
    upload = Upload()
    document = problem(await client.put(path, content=upload.parts()), 413, "body-too-large")
    assert str(FILE_LIMIT) in document["detail"]
    for method, other in (("POST", path), ("PUT", f"{path}/more"), ("PUT", "/v1/things/7/raw")):
        answer = await client.request(method, other, content=b"x" * (BODY_LIMIT + 1))
        problem(answer, 413, "body-too-large")


async def test_a_file_is_accepted_whatever_type_it_claims_to_have(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/v1/things/7/file", content=b"{NaN", headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"bytes": 4})


async def test_openapi_describes_problems(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/v1/things"]["post"]["responses"]
    assert set(responses) == {"201", "400", "413", "422", "429", "default"}
    for status in ("400", "413", "422", "429", "default"):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)

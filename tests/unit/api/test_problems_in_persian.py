"""Every problem of every service has a Persian text, and no English is left in it.

If a text is missing, the test names the English sentence and its service: add it to the catalogue
of the service, `services/<service>/adapters/persian.py`, or to the shared one.
"""

from __future__ import annotations

import ast
import asyncio
import random
import re
import string
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.layout import PROJECT
from shared.contracts.services import SERVICES
from shared.runtime.persian import SHARED, Persian
from shared.runtime.persian.validation import PREFIX
from tests.unit.api.services_in_memory import (
    BRIDGE,
    IN_MEMORY,
    REPORT,
    VISIT,
    open_followups,
    open_scheduler,
)
from tests.unit.api.test_followups_steps import CIVIL, COORDINATION
from tests.unit.runtime.test_persian import assert_persian

FA: Final = {"Accept-Language": "fa-IR,fa;q=0.9,en;q=0.8"}
PLACES: Final = {  # of the sentence among what a call is given
    "Problem": (2, 3),
    "not_found": (0,),
    "unavailable": (0,),
    "invalid_field": (1,),
    "FieldError": (1,),
    "Fault": (1,),
    "sentence": (0,),
    "PydanticCustomError": (0,),
    "Misread": (0,),
}
TYPED: Final = {"PydanticCustomError", "Misread"}  # their texts are found by the type of the error
BY_EVENT: Final = {
    *("NotTheApprover", "WrongDeputy", "Outdated", "UnknownResolution"),
    *("DueBeforeApproval", "Conflict"),
}
"""Refusals of events: they appear only in dead letters."""


def persian_of(service: str | None) -> Persian:
    if service is None:
        return Persian(SHARED)
    return Persian(SHARED, import_module(f"services.{service}.adapters.persian").CATALOGUE)


def sources() -> Iterator[tuple[str | None, Path]]:
    for path in sorted((PROJECT / "shared").rglob("*.py")):
        if "persian" not in path.parts:
            yield None, path
    for service in SERVICES:
        for path in sorted((PROJECT / "services" / service).rglob("*.py")):
            yield service, path


def texts(node: ast.expr, named: dict[str, set[str]]) -> set[str]:
    """The sentences that an expression may have as its value; `named` holds those of variables."""
    match node:
        case ast.Constant(value=str() as text):
            return {text}
        case ast.Name(id=name):
            return named.get(name, set())
        case ast.IfExp():
            return texts(node.body, named) | texts(node.orelse, named)
        case _:
            return set()


def assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment binds, each with its value."""
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for each in zip(targets, values, strict=True):
                yield from assigned(*each)
        case ast.Tuple(), ast.IfExp(body=body, orelse=other):
            yield from assigned(target, body)
            yield from assigned(target, other)


def places(tree: ast.Module, path: Path) -> dict[str, tuple[int, ...]]:
    """The position of the sentence in each call that answers a request over HTTP, by function."""
    raised = {
        node.exc.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and "domain" in path.parts
    }
    others = {name: where for name, where in PLACES.items() if name not in raised}
    return others | dict.fromkeys(raised - BY_EVENT, (-1,))


def formatted(path: Path) -> Iterator[str]:
    """Sentences with values put in, which cannot be translated any more."""
    tree = ast.parse(path.read_text())
    calls = places(tree, path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for place in calls.get(node.func.id, ()):
                match node.args[place:]:
                    case [ast.JoinedStr(values=parts) as text, *_]:
                        values = (p.value for p in parts if isinstance(p, ast.FormattedValue))
                        if not all(isinstance(v, ast.Name) and v.id.isupper() for v in values):
                            yield ast.unparse(text)


def sentences(path: Path) -> Iterator[str]:
    """Every sentence in a file that answers a request over HTTP."""
    tree = ast.parse(path.read_text())
    calls = places(tree, path)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        named: dict[str, set[str]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for name, value in assigned(node.targets[0], node.value):
                    named.setdefault(name, set()).update(texts(value, {}))
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for place in calls.get(node.func.id, ()):
                    if node.args[place:]:
                        found = texts(node.args[place], named)
                        is_type = node.func.id in TYPED
                        yield from (PREFIX + text if is_type else text for text in found)


SENTENCES: Final = sorted(
    {(service or "", text) for service, path in sources() for text in sentences(path)}
)


def test_sentences_are_found() -> None:
    assert len(SENTENCES) > 100


@pytest.mark.parametrize(("service", "text"), SENTENCES)
def test_every_sentence_has_a_persian_text(service: str, text: str) -> None:
    persian = persian_of(service or None)
    assert persian.has(text), f"no Persian for {text!r}"
    if text.startswith(PREFIX):  # its values are those of the error's context
        return
    blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    template = persian.template(text)
    assert {name for _, name, _, _ in string.Formatter().parse(template) if name} <= blanks


@pytest.mark.parametrize("service", [None, *SERVICES])
def test_a_sentence_with_values_keeps_them_apart(service: str | None) -> None:
    """The rows of a sheet are left out: their texts are found by their slugs."""
    files = [p for its, p in sources() if its == service and not p.match("bulk*.py")]
    assert [text for path in files for text in formatted(path)] == []


def slugs_of_rows() -> Iterator[str]:
    """The slugs of the refusals of rows."""
    for path in (PROJECT / "services" / "followups").rglob("bulk*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("ault", "refusal")):
                given = (text for argument in node.args for text in texts(argument, {}))
                yield from (text for text in given if re.fullmatch("[a-z]+(-[a-z]+)*", text))


@pytest.mark.parametrize("slug", sorted(set(slugs_of_rows())))
def test_every_refusal_of_a_row_has_a_persian_text(slug: str) -> None:
    assert persian_of("followups").has(f"row:{slug}")


@pytest.mark.parametrize("service", SERVICES)
async def test_every_field_of_a_request_has_a_name(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        persian: Persian = client.app.state.persian
        assert [name for name in fields(client.app) if not persian.has_field(name)] == []


def fields(app: FastAPI) -> set[str]:
    """The names of all parameters and of all fields of bodies."""
    document = app.openapi()
    schemas, seen = document["components"]["schemas"], set[str]()
    names: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                look(each)
        if not isinstance(node, dict):
            return
        names.update(node.get("properties", {}))
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            look(schemas[name])
        for each in node.values():
            look(each)

    for operations in document["paths"].values():
        for operation in operations.values():
            names.update(parameter["name"] for parameter in operation.get("parameters", []))
            look(operation.get("requestBody", {}))
    return names


GOOD: Final[dict[str, Any]] = {
    "scheduler": {**VISIT, **BRIDGE, "resolutions": [BRIDGE], "season": "1405"},
    "reports": REPORT,
    "followups": {"progress": 10, "note": "ی", "due_on": "2024-01-20", "to": "crisis"},
    "notify": {},
}
_junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["2024-13-40", "1402-12-21", "IR-99", "x" * 30_000, "\u0007", "ي", " "]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc.ی/~", max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=12, deadline=None)
@given(st.data())
@pytest.mark.parametrize("service", ["scheduler", "reports", "followups"])
def test_no_english_is_left_whatever_is_sent(service: str, data: st.DataObject) -> None:
    async def run() -> None:
        async with IN_MEMORY[service]() as client:
            names = sorted(fields(client.app))
            paths = [
                path
                for path, operations in client.app.openapi()["paths"].items()
                if "requestBody" in operations.get("post", {})
            ]
            for path in data.draw(st.lists(st.sampled_from(paths), min_size=6, max_size=6)):
                known = GOOD[service]
                change = data.draw(st.dictionaries(st.sampled_from(names), _junk, max_size=4))
                kept = {k: v for k, v in known.items() if random.Random(path).random() < 0.8}
                body = data.draw(st.sampled_from([{**kept, **change}, change]) | _junk)
                place = re.sub(r"\{[a-z_]+\}", "1", path)
                who = data.draw(st.sampled_from([CIVIL, COORDINATION]))
                answer = await client.http.post(place, json=body, headers={**who, **FA})
                assert answer.status_code < 500, (path, body)
                if answer.status_code >= 400:
                    assert_persian(answer.json())

    asyncio.run(run())


async def test_refusals_of_the_domain_are_in_persian() -> None:
    async with open_followups() as client:
        one = f"/followups/{(await client.items('/followups'))[0]['followup_id']}"
        for step, body in (
            ("verify", {}),
            ("acknowledge", {"stance": "disputed"}),
            ("delegate", {"to": "d.karimi", "until": "2020-01-01"}),
            ("parts", {"body": "کسی", "progress": 1}),
            ("items/9/done", {}),
            ("link", {"predecessor": "R-1"}),
            ("extend", {"due_on": "2024-01-09"}),
            ("close", {"outcome": "infeasible", "reason": "ی"}),
        ):
            for who in (CIVIL, COORDINATION):
                answer = await client.post(f"{one}/{step}", body, **who, **FA)
                if not answer.is_success:
                    assert_persian(answer.json())
                    assert answer.json()["detail"]
        refused = (await client.post(f"{one}/acknowledge", {}, **COORDINATION, **FA)).json()
        assert refused["title"] == "اجازه داده نشده است"
        assert "«پذیرفتن»" in refused["detail"]


async def test_days_that_are_refused_are_shown_in_both_calendars() -> None:
    async with open_scheduler() as client:
        body = {"resolutions": [{**BRIDGE, "due_on": "2000-01-01"}]}
        answer = await client.post("/sessions/visit-1/resolutions", body, **COORDINATION, **FA)
        (error,) = answer.json()["errors"]
        assert error["field"] == "resolutions.0.due_on"
        assert error["label"] == "مصوبه‌ها شمارهٔ ۱، مهلت"
        assert re.search("۱۴۰[0-9۰-۹]/[۰-۹]{2}/[۰-۹]{2} \\(\u2068202[0-9]-", error["detail"])
        plain = await client.post("/sessions/visit-1/resolutions", body, **COORDINATION)
        assert "label" not in plain.json()["errors"][0]

"""Problems in Persian: for which requests, in which words, and with isolated values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core.core_schema import ErrorType

from shared.runtime.persian import SHARED, Catalogue, Persian, isolated, preferred
from shared.runtime.persian.validation import PREFIX
from shared.runtime.sentences import OneOf, Sentence, sentence
from shared.text import persian_digits
from tests.unit.runtime.api import BODY_LIMIT, build, calling

PERSIAN = Persian(
    SHARED,
    Catalogue(
        {"{by} may not {step}": "{by} اجازهٔ «{step}» ندارد", "on {day}": "در {day}"},
        {"verify": "تأیید انجام"},
        {"due_on": "مهلت", "resolutions": "مصوبه‌ها"},
    ),
)
NOT_RAISED_IN_PYTHON = {
    # of calls, attributes and classes, which no request has
    *("no_such_attribute", "needs_python_object", "recursion_loop", "recursion_depth_exceeded"),
    *("get_attribute_error", "default_factory_not_called", "iteration_error"),
    *("set_item_not_hashable", "missing_sentinel_error", "ellipsis_error"),
    *("is_instance_of", "is_subclass_of", "callable_type"),
    *("bytes_type", "bytes_invalid_encoding"),
}


def without_values(text: str) -> str:
    """A sentence without its isolated values."""
    return re.sub("\u2068[^\u2068\u2069]*\u2069", "", text)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fa", "fa"),
        ("FA-ir", "fa"),
        ("fa-IR", "fa"),
        ("fa_IR", "fa"),
        ("fa-Arab-IR", "fa"),
        ("fas", "fa"),
        ("per, en;q=0.5", "fa"),
        ("fa-IR,fa;q=0.9,en-US;q=0.8,en;q=0.7", "fa"),
        ("en-US,en;q=0.9,fa;q=0.8", "en"),
        ("en;q=0.1, fa;q=0.2", "fa"),
        ("en, fa", "en"),
        ("fa, en", "fa"),
        ("fa;q=0", "en"),
        ("fa;q=0.0, *", "en"),
        ("fa;q=0.5, *", "en"),
        ("fa, *;q=0.5", "fa"),
        ("*, fa", "fa"),
        ("*", "en"),
        ("de", "en"),
        ("de, fa;q=0.1", "fa"),
        ("ar", "en"),
        ("fa ; q=1 , en ; q=0.9", "fa"),
        ("fa;q=1.000", "fa"),
        ("fa;q=2", "en"),
        ("fa;q=x, en", "en"),
        (";;;,,,=", "en"),
        ("farsi", "en"),
        ("فارسی", "en"),
    ],
)
def test_the_language_with_the_greater_weight_is_chosen(header: str, language: str) -> None:
    assert preferred(header) == language


@given(st.text(max_size=200) | st.text("fa-en*;q=.,01 ", max_size=60))
def test_whatever_is_preferred_is_one_of_two(header: str) -> None:
    assert preferred(header) in {"fa", "en"}


def test_a_sentence_is_its_english_text() -> None:
    text = sentence("{by} may not {step}: {other}", by="a", step="verify", other=("x", "y"))
    assert text == "a may not verify: x, y"
    assert str(Exception(text)) == text
    assert isinstance(str(Exception(text)), Sentence)
    assert sentence("the session is {state}", state=OneOf(["a", "b"])) == "the session is a or b"
    assert sentence("braces {") == "braces {"


def test_words_are_translated_and_values_isolated() -> None:
    text = sentence("{by} may not {step}", by="c.ahmadi", step="verify")
    assert PERSIAN.sentence(text) == "\u2068c.ahmadi\u2069 اجازهٔ «تأیید انجام» ندارد"
    assert PERSIAN.sentence(sentence("no such words {x}", x=1)) is None


def test_days_are_shown_in_both_calendars() -> None:
    day = PERSIAN.value(date(2024, 3, 11))
    assert day == "۱۴۰۲/۱۲/۲۱ (\u20682024-03-11\u2069)"
    instant = PERSIAN.value(datetime(2024, 3, 11, 5, 30, tzinfo=UTC))
    assert instant == "۱۴۰۲/۱۲/۲۱ ۰۹:۰۰ (\u20682024-03-11T05:30:00+00:00\u2069)"
    assert PERSIAN.value(1402) == "۱۴۰۲"
    assert PERSIAN.value(["civil", "x"]) == "معاونت عمرانی، \u2068x\u2069"


@given(st.text(max_size=400))
def test_a_value_cannot_leave_its_isolate(value: str) -> None:
    text = isolated(value)
    assert (text[0], text[-1]) == ("\u2068", "\u2069")
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text[1:-1])


def test_a_field_has_its_persian_name() -> None:
    assert PERSIAN.label("resolutions.0.due_on") == "مصوبه‌ها شمارهٔ ۱، مهلت"
    assert PERSIAN.label("rows.2.due_on") == "ردیف‌ها شمارهٔ ۲، مهلت"
    assert PERSIAN.label("no_such") == "\u2068no_such\u2069"
    assert PERSIAN.label("") == "\u2068\u2069"


def types() -> Iterator[str]:
    yield from sorted(set(get_args(ErrorType)) - NOT_RAISED_IN_PYTHON)


@pytest.mark.parametrize("type_", list(types()))
def test_every_error_of_pydantic_has_a_translation(type_: str) -> None:
    assert PERSIAN.has(PREFIX + type_)


@pytest.mark.parametrize("template", sorted({**SHARED.sentences}))
def test_persian_sentences_have_no_english_words(template: str) -> None:
    text = SHARED.sentences[template]
    bare = re.sub(r"\{[a-z_]+\}", "", without_values(text))
    assert not re.search("[A-Za-z]", bare), text


async def _get(headers: dict[str, str], path: str, method: str = "GET", **more: Any) -> Any:
    async with calling(build()) as client:
        return await client.request(method, path, headers=headers, **more)


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/none", {}, 404),
        ("GET", "/v1/things/x", {}, 404),
        ("GET", "/v1/things/boom", {}, 500),
        ("DELETE", "/v1/things", {}, 405),
        ("GET", "/v1/things?limit=x", {}, 422),
        ("GET", "/v1/things?limti=1", {}, 422),
        ("GET", "/v1/things?cursor=!", {}, 422),
        ("POST", "/v1/things", {"content": b"{"}, 400),
        ("POST", "/v1/things", {"content": b'{"title": NaN}'}, 400),
        ("POST", "/v1/things", {"content": b"a=b", "type": "text/plain"}, 415),
        ("POST", "/v1/things", {"content": b"x" * (BODY_LIMIT + 1)}, 413),
        ("POST", "/v1/things", {"json": {"title": 1, "axes": [{}], "notes": {"ی": "x"}}}, 422),
        ("POST", "/v1/things", {"json": []}, 422),
        ("POST", "/v1/things", {"json": None}, 422),
    ],
)
async def test_refusals_of_the_framework_are_translated(
    method: str, path: str, more: dict[str, Any], status: int
) -> None:
    kind = {"Content-Type": more.pop("type", "application/json")} if "content" in more else {}
    plain = await _get(kind, path, method, **more)
    answer = await _get({**kind, "Accept-Language": "fa-IR"}, path, method, **more)
    assert (answer.status_code, plain.status_code) == (status, status)
    for response, language in ((plain, "en"), (answer, "fa")):
        assert response.headers["Content-Language"] == language
        assert "Accept-Language" in response.headers["Vary"]
    same, problem = plain.json(), answer.json()
    assert (problem["type"], problem["status"]) == (same["type"], same["status"])
    assert_persian(problem)
    assert [e["field"] for e in problem.get("errors", [])] == [
        e["field"] for e in same.get("errors", [])
    ]


def assert_persian(problem: dict[str, Any]) -> None:
    """People read no English in a problem except names and values."""
    errors = problem.get("errors", [])
    texts = [problem["title"], problem.get("detail", ""), *(e["detail"] for e in errors)]
    for text in (*texts, *(e["label"] for e in errors)):
        assert not re.search("[A-Za-z]", without_values(text)), text
        assert text.count("\u2068") == text.count("\u2069")
        assert not re.search("[0-9]", without_values(text)), text


async def test_the_refusal_of_a_header_is_translated() -> None:
    headers = {"Accept-Language": "fa", "X-Peygir-Roles": "king"}
    answer: httpx.Response = await _get(headers, "/v1/things", "POST", json={"title": "ی"})
    assert answer.status_code == 400
    assert_persian(answer.json())
    assert "\u2068'king'\u2069" in answer.json()["detail"]


def test_numbers_of_sentences_are_persian() -> None:
    limits = Sentence.of("", f"{PREFIX}string_too_long", {"max_length": 500})
    assert PERSIAN.sentence(limits) == f"حداکثر {persian_digits(500)} نویسه می‌پذیرد"

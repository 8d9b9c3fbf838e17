"""Bodies and parameters as programs and people send them: what an OpenAPI document allows, and
what it just excludes."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

Document: TypeAlias = Mapping[str, Any]
Raw: TypeAlias = tuple[bytes, Mapping[str, str]]
"""A body in bytes, with its headers."""

DAYS: Final = (
    *("1405-10-30", "۱۴۰۵/۱۰/۳۰", "1405/10/30", "2024-02-30", "2024-02-01", "2023-12-01"),
    *("۲۰۲۴-۰۲-۰۱", "20240201", "2024-2-1", "0000-00-00", "9999-12-31", "10000-01-01", "-1-01-01"),
    *("1900-01-01", "1899-12-31", "2199-12-31", "2200-01-01", "2024-02-01\n", " 2024-02-01"),
    *("2024-02-01T00:00:00Z", "2024-02-01T00:00:00", "1900-01-01T00:00:00+14:00"),
    *("2199-12-31T23:59:59-14:00", "2016-12-31T23:59:60Z", "2024-02-01T24:00:00Z"),
    *("2024-05-02T09:00:00+99:99", "2150-12-31T23:59:59.9999999Z", "1950-01-01T00:00:00+03:30"),
    *("1706745600", "now", "24:00", "09:00", "9:00", "09:00:00.5", 1_803_686_400, 1.5e12, True),
)
"""For places where a day, an instant or a time of day belongs."""

TEXTS: Final = (
    *("", " ", "\u001c", "\u0085", "\u200b", "\u200c", "\u3164", "\u202e", "\x00", "a\x00b"),
    *("a\x1fb", "\ud800", "\uffff", "می‌شود", "x" * 191, "x" * 201, "x" * 501, "x" * 2_001),
    *("x" * 20_001, "$where", "a.b", "..", "a/b", "a|b", "A", "http://[", "http://\x00"),
)
"""For places where any text belongs."""

OTHERS: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 101, 2**53, 2**64, 0.5, 1.0, float("nan"), float("inf")),
    *([], {}, [None], {"$gt": ""}, ["x"] * 101),
)
"""For any place."""

_MORE_TEXTS: Final = (
    *("\u2800", "\ufeff", "a\x0bb", "a\x7fb", "a\u2028b", "a\r\nb", "a\udfffb", "\U0010ffff"),
    *("e\u0301" * 300, "👨‍👩‍👧", "ﷺ" * 200, "كتاب", "x" * 190, "x" * 200, "x" * 500, ".", "/"),
    *("|", "-", "civil", "Civil", "social", "agreed", "disputed", "done", "IR-09", "IR-99"),
    *(
        "ir-09",
        "crisis",
        "null",
        "true",
        "NaN",
        "http://",
        "//x",
        "javascript:alert(1)",
        "ftp://x/",
    ),
    *("HTTPS://X", "http://x:99999", "https://نمونه.ایران/نامه", "http://x/" + "a" * 2_000, "=1+1"),
    *("<b>", "%00"),
)
_MORE_OTHERS: Final[tuple[Any, ...]] = (
    *(False, 1, 2, 3, 100, 2**31, 2**53 - 1, 2**63, 10**400, -0.0, 1e308, float("-inf")),
    *([[]], [{}], {"": ""}, {"a.b": {"$set": 1}}, ["x"] * 1_001, ["x", "x"], [[[[]]]]),
)

odd_texts: Final = st.one_of(
    st.sampled_from((*TEXTS, *_MORE_TEXTS)),
    st.text(st.characters(codec=None), max_size=30),
    st.text(max_size=600),
)
odd_values: Final[st.SearchStrategy[Any]] = st.one_of(
    odd_texts,
    st.sampled_from(DAYS),
    st.sampled_from((*OTHERS, *_MORE_OTHERS)).map(deepcopy),
    st.integers(),
    st.floats(),
)

_DEEP: Final = b"[" * 100_000
RAW: Final[tuple[Raw, ...]] = tuple(
    (content, {"Content-Type": media_type})
    for media_type in (
        *("application/json", "application/json; charset=utf-16", "APPLICATION/JSON", "text/plain"),
        *("application/merge-patch+json", "application/x-www-form-urlencoded", "nonsense", ""),
        *("multipart/form-data; boundary=x", "application/json, text/plain", "x/y+json"),
        *("application/json; charset=\xff", "application/", "/json", "application/xml"),
    )
    for content in (
        *(b"", b" ", b"null", b"[]", b"{}", b'""', b"0", b"true", b"{", b"{}{}", b"{} x", b"\x00"),
        *(b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-32"), b"\xff\xfe", b"\xff"),
        *(b'{"note":NaN}', b'{"progress":1e400}', b'{"progress":-Infinity}', b"1" * 5_000),
        *(b'{"note":"\\ud800"}', b'{"\\ud800":1}', b'{"note":"a","note":"b"}', b"{'note':'a'}"),
        *(b'{"note":"\x01"}', b'{"note":"\xff"}', b'{"progress":' + b"9" * 5_000 + b"}", b"//{}"),
        *(_DEEP, b'{"a":' * 5_000, _DEEP + b"]" * 100_000, b'{"reason":' + b"[" * 500),
    )
) + tuple(
    (gzip.compress(b"{}"), {"Content-Type": "application/json", "Content-Encoding": encoding})
    for encoding in ("gzip", "br", "identity", "nonsense")
)


def bodies(document: Document, schema: Document, example: Any) -> st.SearchStrategy[Any]:
    """JSON that a document allows for a body, JSON that it just excludes, and any other."""
    fitting = allowed(document, schema)
    return st.one_of(
        fitting,
        *(near_misses(example) for _ in range(3)),  # these find most
        fitting.flatmap(near_misses),
        odd_values,
    )


def each(valid: Any) -> Iterator[Any]:
    """The same body with each of its parts left out, and changed in each odd way.

    Of the parts of a list only the first is changed.
    """
    for number, (holder, key) in enumerate(_places(valid)):
        if isinstance(holder, list) and key > 0:
            continue
        odd = DAYS if _is_time(holder[key]) else TEXTS
        for value in (_LEFT_OUT, *odd, *OTHERS):
            body = deepcopy(valid)
            changed, at = list(_places(body))[number]
            if value is _LEFT_OUT:
                del changed[at]
            else:
                changed[at] = value
            yield body


_LEFT_OUT: Final = object()
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}")


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.match(value) is not None


@st.composite
def near_misses(draw: st.DrawFn, valid: Any) -> Any:
    """The same body with one to three of its parts changed, left out or added."""
    body = deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(body))
        if not places:
            return draw(odd_values)
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["change", "change", "change", "leave out", "add", "nest"])):
            case "change":
                times = [st.sampled_from(DAYS)] * 3 if _is_time(holder[key]) else []
                holder[key] = draw(st.one_of(odd_values, *times))
            case "leave out":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(odd_texts)] = draw(odd_values)
            case "add":
                holder += [holder[key]] * draw(st.integers(1, 300))
            case _:
                holder[key] = draw(st.sampled_from([[holder[key]], {"": holder[key]}]))
    return body


def written(body: Any) -> bytes:
    """The body as JSON, NaN, infinities and halves of surrogate pairs included."""
    return json.dumps(body).encode()


def allowed(document: Document, schema: Document) -> st.SearchStrategy[Any]:  # noqa: PLR0912
    """Any JSON that a schema of the document allows; covers what our schemas use."""
    match schema:
        case {"$ref": name}:
            known = document["components"]["schemas"]
            return allowed(document, known[name.rpartition("/")[2]])
        case {"anyOf": choices}:
            return st.one_of(*(allowed(document, choice) for choice in choices))
        case {"const": value}:
            return st.just(value)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "object", "properties": properties}:
            fields = {name: allowed(document, part) for name, part in properties.items()}
            needed = schema.get("required", ())
            return st.fixed_dictionaries(
                {name: field for name, field in fields.items() if name in needed},
                optional={name: field for name, field in fields.items() if name not in needed},
            )
        case {"type": "object"}:
            return st.dictionaries(st.text(), allowed(document, schema["additionalProperties"]))
        case {"type": "array"}:
            least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
            return st.lists(allowed(document, schema["items"]), min_size=least, max_size=most)
        case {"type": "integer"}:
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
        case {"type": "string", "format": "date"}:
            return st.dates(date(1900, 1, 1), date(2199, 12, 31)).map(date.isoformat)
        case {"type": "string", "format": "date-time"}:
            years = datetime(1900, 1, 1), datetime(2199, 12, 31)  # noqa: DTZ001
            return st.datetimes(*years).map(lambda at: f"{at.isoformat()}Z")
        case {"type": "string"}:
            least, most = schema.get("minLength", 0), schema.get("maxLength")
            texts = st.text(min_size=least, max_size=most)
            ends = st.sampled_from([n for n in (least, most) if n is not None])
            longest = st.builds(str.__mul__, st.sampled_from(["x", "پ", "👨"]), ends)
            if "pattern" not in schema:
                return st.one_of(texts, longest)
            written = st.from_regex(schema["pattern"]).filter(
                lambda text: least <= len(text) <= (most or len(text))
            )
            return st.one_of(written, longest)
    raise AssertionError(f"no schema of ours: {schema}")


def _places(body: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a body: its container and its key."""
    match body:
        case dict():
            inner = list(body.items())
        case list():
            inner = list(enumerate(body))
        case _:
            return
    for key, value in inner:
        yield body, key
        yield from _places(value)

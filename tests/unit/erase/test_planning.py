"""What is left to do: finish what was begun, erase what is there, record what was lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.erase.examples import AT, FILE, TEXTS, of
from tools.erase.erasures import Subject, covers, key_of
from tools.erase.planning import Found, Recorded, plan, reply_without_texts

REVISED = replace(TEXTS, revision=3)
AGAIN = replace(FILE, files=("u-3",))


def planned(found: Found, *records: Recorded) -> tuple[list[str], list[Subject]]:
    todo = plan([found], {key_of(found.subject): records} if records else {})
    return [e.id for e in todo.unfinished], [f.subject for f in todo.new]


@pytest.mark.parametrize(("first", "later"), [(TEXTS, REVISED), (FILE, AGAIN)])
def test_what_is_left_depends_on_what_is_there_and_on_record(
    first: Subject, later: Subject
) -> None:
    begun, done = Recorded(of(first), is_done=False), Recorded(of(first), is_done=True)
    there, gone = Found(first, is_there=True), Found(first, is_there=False)
    assert planned(there) == ([], [first])
    assert planned(gone) == ([], [first]), "lost, but a copy may hold it"
    assert planned(there, begun) == (["x-1"], [])
    assert planned(gone, begun) == (["x-1"], [])
    assert planned(gone, done) == ([], [])
    assert planned(there, done) == ([], [first]), "it has come back"
    assert planned(Found(later, is_there=True), begun) == (["x-1"], [later])
    assert planned(Found(later, is_there=True), done) == ([], [later])


def test_an_erasure_covers_what_came_before_it() -> None:
    assert covers(REVISED, TEXTS)
    assert not covers(TEXTS, REVISED)
    assert not covers(replace(REVISED, session_id="other"), TEXTS)
    assert covers(FILE, replace(FILE, files=("u-2",), databases=()))
    assert not covers(FILE, replace(FILE, evidence_id="other"))
    assert not covers(TEXTS, FILE)


def reply(**changes: object) -> bytes:
    shown = {"report_id": "r-1", "revision": 2, "content": {"answers": {}}, "texts_lost": False}
    return json.dumps({**shown, **changes}).encode()


def test_a_reply_with_the_texts_keeps_all_but_these() -> None:
    body = reply_without_texts(reply(url="u"), TEXTS, AT)
    assert body is not None
    assert json.loads(body) == {
        "report_id": "r-1",
        "revision": 2,
        "content": None,
        "texts_lost": True,
        "erased_at": "2026-11-30T19:00:00.123000Z",
        "url": "u",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"circular_id": "c"}',
        reply(report_id="other"),
        reply(content=None),
        reply(revision=3),
    ],
)
def test_other_replies_stay(body: bytes) -> None:
    assert reply_without_texts(body, TEXTS, AT) is None

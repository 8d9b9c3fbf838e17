"""Evidence: who may add it and when, duplicates, and file names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups.domain import evidence
from services.followups.domain.evidence import (
    MOST,
    BadName,
    EmptyFile,
    File,
    Link,
    TooMuchEvidence,
    file_name,
)
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Fact
from services.followups.domain.records import EvidenceAdded, Followup, State
from services.followups.domain.refusals import NotNow
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed, Refused
from shared.runtime.safe_text import one_line
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    ASSIGNED,
    BLOCKED,
    CIVIL,
    CLOSED,
    COMPLETED,
    COORDINATION,
    DISPUTED,
    KHORASAN,
    LATER,
    MINISTER_OFFICE,
    PHOTO,
    PROGRESSED,
    REOPENED,
    SOCIAL,
    TEHRAN_PROVINCE,
    VERIFIED,
    after,
    principal,
)
from tests.unit.written.any_text import ANY_TEXT

FILE = File("عکس پل.jpg", "image/jpeg", 3, "b" * 64)
LINK = Link("https://example.ir/نامه", None)
AT_WORK = after(ACKNOWLEDGED)


def add(
    followup: Followup = AT_WORK, by: Principal = CIVIL, file: File = FILE
) -> EvidenceAdded | None:
    return evidence.add_file(followup, by, file, "پایان کار", LATER)


def added(followup: Followup, fact: EvidenceAdded | None) -> Followup:
    assert fact is not None
    return evolve(followup, fact)


def test_a_file_becomes_evidence_with_its_data() -> None:
    followup = added(AT_WORK, add())
    (piece,) = followup.evidence
    assert (piece.name, piece.media_type, piece.bytes, piece.sha256) == (
        *("عکس پل.jpg", "image/jpeg", 3, "b" * 64),
    )
    assert (piece.by, piece.at, piece.note, piece.url) == ("d.karimi", LATER, "پایان کار", None)
    assert (followup.state, followup.version) == (AT_WORK.state, AT_WORK.version + 1)
    assert evidence.find(followup, piece.evidence_id) == piece
    assert evidence.find(followup, "other") is None


def test_the_same_file_adds_nothing_under_another_name_or_by_another_person() -> None:
    followup = added(AT_WORK, add())
    assert add(followup, COORDINATION, replace(FILE, name="دیگر.jpg")) is None
    other = added(followup, add(followup, file=replace(FILE, sha256="c" * 64)))
    assert len({piece.evidence_id for piece in other.evidence}) == 2


def test_the_same_link_adds_nothing_and_another_hash_is_another_piece() -> None:
    followup = added(AT_WORK, evidence.add_link(AT_WORK, CIVIL, LINK, None, LATER))
    assert evidence.add_link(followup, CIVIL, LINK, "باز", LATER) is None
    hashed = Link(LINK.url, "b" * 64)
    other = added(followup, evidence.add_link(followup, CIVIL, hashed, None, LATER))
    assert [piece.sha256 for piece in other.evidence] == [None, "b" * 64]
    assert add(other) is not None, "a file is no link, whatever its hash"


@pytest.mark.parametrize("by", [CIVIL, COORDINATION, KHORASAN, MINISTER_OFFICE])
def test_those_concerned_may(by: Principal) -> None:
    assert add(by=by) is not None


@pytest.mark.parametrize("by", [SOCIAL, TEHRAN_PROVINCE, principal("n")])
def test_nobody_else_may(by: Principal) -> None:
    with pytest.raises(NotAllowed):
        add(by=by)
    with pytest.raises(NotAllowed):
        evidence.require_room(AT_WORK, by, LATER)
    with pytest.raises(NotAllowed):
        evidence.add_link(AT_WORK, by, LINK, None, LATER)


def test_the_deputys_officer_may() -> None:
    officer = principal("a.nouri")
    assert add(after(ACKNOWLEDGED, ASSIGNED), officer) is not None
    with pytest.raises(NotAllowed):
        add(after(ACKNOWLEDGED), officer)


def test_the_ministers_office_may_for_follow_ups_of_coordination() -> None:
    own = after(ACKNOWLEDGED, deputy="coordination", province=None)
    for by in (COORDINATION, MINISTER_OFFICE, principal("x", "deputy:coordination")):
        assert add(own, by) is not None
    with pytest.raises(NotAllowed):
        add(own, KHORASAN)


@pytest.mark.parametrize(
    "facts", [(ACKNOWLEDGED,), (PROGRESSED,), (COMPLETED,), (COMPLETED, REOPENED)]
)
def test_it_is_accepted_during_the_work_and_while_claimed(
    facts: tuple[Fact, ...],
) -> None:
    followup = after(*facts)
    assert added(followup, add(followup)).state is followup.state


@pytest.mark.parametrize(
    "facts", [(), (DISPUTED,), (BLOCKED,), (CLOSED,), (COMPLETED, VERIFIED)], ids=str
)
def test_it_is_not_accepted_in_other_states(facts: tuple[Fact, ...]) -> None:
    followup = after(*facts)
    assert followup.state not in {State.ACKNOWLEDGED, State.DONE}
    with pytest.raises(NotNow):
        add(followup)
    with pytest.raises(NotNow):
        evidence.require_room(followup, CIVIL, LATER)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(EmptyFile):
        add(file=replace(FILE, bytes=0))


def test_the_number_is_limited_and_a_known_file_is_still_accepted() -> None:
    pieces = tuple(replace(PHOTO, evidence_id=str(n)) for n in range(MOST - 1))
    full = added(replace(AT_WORK, evidence=pieces), add(replace(AT_WORK, evidence=pieces)))
    assert len(full.evidence) == MOST
    assert add(full) is None
    with pytest.raises(TooMuchEvidence):
        add(full, file=replace(FILE, sha256="c" * 64))
    with pytest.raises(TooMuchEvidence):
        evidence.add_link(full, CIVIL, LINK, None, LATER)
    with pytest.raises(TooMuchEvidence):
        evidence.require_room(full, CIVIL, LATER)


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("عكس پل.jpg", "عكس پل.jpg"),
        ("C:\\مدارک\\نامه.pdf", "نامه.pdf"),
        ("../../etc/passwd", "passwd"),
        ("گزارش\u202efdp.exe", "گزارشfdp.exe"),
        ("می‌شود.pdf", "می‌شود.pdf"),
        (" نامه  ۱۲ .pdf ", "نامه  ۱۲ .pdf"),
        ("x" * 255, "x" * 255),
        ("آ.pdf", "آ.pdf"),  # decomposed, as macOS writes it
        ("\u2067گزارش\u2069\u061c\u206f.pdf\ufeff", "گزارش.pdf"),
        ("نامه.pdf. . ", "نامه.pdf"),
        ("گزارش\t۱.pdf", "گزارش ۱.pdf"),
        ("CON", "_CON"),
        ("aux.tar.gz", "_aux.tar.gz"),
        ("Com1 .txt", "_Com1 .txt"),
        ("lpt².log", "_lpt².log"),
        ("NUL. .", "_NUL"),
        ("console.log", "console.log"),
        (".htaccess", ".htaccess"),
        ("\U0001fae8.jpg", "\U0001fae8.jpg"),  # newer than Python's Unicode tables
        ("چرا؟ (why?).pdf", "چرا؟ (why?).pdf"),
        ("ا" * 255 + " .", "ا" * 255),
    ],
)
def test_a_name_is_written_in_one_way(given_name: str, name: str) -> None:
    assert file_name(given_name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "a/", "x" * 256, "a\nb", "a\x00b", "\u200f", ". . .", "\u3164\u2800"),
        *("C:\\fakepath\\", "../", "con." + "x" * 251, "a\x1b[2Jb", "a\u2028b", "\x9b2J"),
        *("\ud800.pdf", "\ufffe.pdf", "\ue000.pdf", "گز\ufffd\ufffdرش.pdf", "????? ??.pdf", "?"),
    ],
)
def test_an_unreadable_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        file_name(name)


@given(st.one_of(st.text(max_size=40), st.text("CONcon1². \u200cآا/", max_size=9), ANY_TEXT))
def test_a_cleaned_name_stays_the_same(given_name: str) -> None:
    try:
        name = file_name(given_name)
    except Refused:
        return
    assert file_name(name) == name
    assert not {"/", "\\"} & set(name)
    assert name == one_line(name)
    assert name[-1] not in ". "

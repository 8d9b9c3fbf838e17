"""Pictures are valid XML, whatever texts they contain, and no text reorders another."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import example, given

from services.followups.adapters import chart, timeline
from services.followups.adapters.svg import letters, short
from services.followups.domain.facts import ExtensionRequested, Opened
from services.followups.domain.scorecard_table import scorecard_table
from services.followups.domain.scores import By
from services.followups.domain.timeline import timeline as folded
from shared.runtime.safe_text import FSI, PDI, isolated
from tests.unit.followups.examples import steps, unhurried
from tests.unit.followups.scoreboards import AS_OF
from tests.unit.followups.timelines import NOW, bridge
from tests.unit.written.any_text import ANY_TEXT

SVG = "{http://www.w3.org/2000/svg}"
ENDS = {"\u202b": "\u202c", "\u2068": "\u2069"}  # by what they end


def parsed(svg: bytes) -> ET.Element:
    """The picture as expat reads it, which did not write it."""
    return ET.fromstring(svg.decode("utf-8"))


def texts_of(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter() if element.tag != f"{SVG}g"]


def encoded(text: str) -> str:
    """A text as an id, without lone surrogates."""
    return text.encode(errors="replace").decode()


def assert_closed(text: str) -> None:
    """Every embedding and every isolate ends within the text, in order (Unicode, UAX 9)."""
    open_: list[str] = []
    for character in text:
        if character in ENDS:
            open_.append(ENDS[character])
        elif character in "\u202c\u2069":
            assert open_.pop() == character
        assert character not in "\u202a\u202d\u202e\u2066\u2067"
    assert not open_


@unhurried
@given(ANY_TEXT, ANY_TEXT)
@example("عنوان\x0bدوم", "\ud800")
@example("\u202eeltit \u2066a\u202c\u202c", "\u2069\u202c")
def test_a_timeline_may_contain_any_title_and_any_name(title: str, who: str) -> None:
    opening, *rest = bridge()
    assert isinstance(opening, Opened)
    resolution = replace(opening.resolution, title=title, resolution_id=encoded(who) or "r")
    facts = [replace(opening, resolution=resolution), *rest]
    assert isinstance(facts[-1], ExtensionRequested)
    facts[-1] = replace(facts[-1], by=who)
    picture = parsed(timeline.write(folded(steps(facts)), NOW))
    assert (picture.findtext(f"{SVG}title") or "").startswith(isolated(title))
    texts = texts_of(picture)
    assert any(short(isolated(who), 40).rstrip(f"…{PDI}") in text for text in texts)
    for text in texts:
        assert_closed(text)


@unhurried
@given(ANY_TEXT.filter(bool))
def test_a_chart_may_contain_any_id(id_: str) -> None:
    counts = {id_: {"state:opened": 1, "age:2024-03-01": 1}}
    texts = texts_of(parsed(chart.write(scorecard_table(By.AXIS, AS_OF, [("civil", counts)]))))
    assert any(text.startswith(f"{isolated(id_)}: ") for text in texts)
    for text in texts:
        assert_closed(text)


def test_a_text_that_is_cut_is_still_isolated() -> None:
    label = f"{isolated('long title')} – {isolated('civil-1')}"
    assert short(label, 8) == f"{FSI}long ti…{PDI}"
    assert short(label, 13) == f"{FSI}long title{PDI} –…"
    assert short(label, letters(label)) == label

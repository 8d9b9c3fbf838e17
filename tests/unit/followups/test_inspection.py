"""Draws: reproducible and uniform."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.layout import PROJECT
from services.followups.domain.inspection import SampleDraw
from tests.unit.followups.examples import unhurried

IDS = [f"{number:08x}-0000-5000-8000-000000000000" for number in range(20)]

_ids = st.sets(st.uuids().map(str), max_size=40).map(sorted)
_seeds = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def draw(seed: str, size: int, *parts: Sequence[str]) -> SampleDraw:
    whole = SampleDraw(seed, size)
    for ids in parts:
        part = SampleDraw(seed, size)
        part.look_at(ids)
        whole.take_in(part)
    return whole


@unhurried
@given(_ids, _seeds, st.integers(1, 9), st.randoms(), st.integers(0, 40))
def test_neither_order_nor_parts_matter(
    ids: list[str], seed: str, size: int, chance: Any, cut: int
) -> None:
    one = draw(seed, size, ids)
    mixed = chance.sample(ids, len(ids))
    other = draw(seed, size, mixed[:cut], mixed[cut:])
    assert (one.drawn, one.population, one.digest) == (other.drawn, len(ids), other.digest)
    assert len(one.drawn) == min(size, len(ids))


@unhurried
@given(_ids, _seeds, st.integers(1, 9))
def test_a_larger_draw_begins_with_the_smaller(ids: list[str], seed: str, size: int) -> None:
    assert draw(seed, size + 3, ids).drawn[:size] == draw(seed, size, ids).drawn


@unhurried
@given(_ids, st.uuids().map(str), _seeds, st.integers(1, 9))
def test_a_new_id_takes_at_most_one_place(ids: list[str], new: str, seed: str, size: int) -> None:
    before, after = draw(seed, size, ids).drawn, draw(seed, size, sorted({*ids, new})).drawn
    assert [id_ for id_ in after if id_ != new] == before[: len(after) - (new in after)]


@unhurried
@given(_ids, st.uuids().map(str))
def test_another_population_has_another_digest(ids: list[str], new: str) -> None:
    assert (draw("x", 1, ids).digest == draw("x", 1, sorted({*ids, new})).digest) == (new in ids)


def test_each_id_is_drawn_equally_often() -> None:
    drawn = Counter(id_ for n in range(2_000) for id_ in draw(f"seed {n}", 5, IDS).drawn)
    expected = 2_000 * 5 / len(IDS)
    chi_square = sum((drawn[id_] - expected) ** 2 / expected for id_ in IDS)
    assert chi_square < 43.8, "19 degrees of freedom: one in a thousand lies beyond"


def test_a_recorded_draw_stays() -> None:
    assert draw("قرعه‌ی ۱۴۰۲/۱۲/۲۱", 3, IDS).drawn == [IDS[12], IDS[2], IDS[17]]
    assert draw("é", 4, IDS).drawn == draw("e\u0301", 4, IDS).drawn, "one text in two forms"


@pytest.mark.parametrize("seed", ["قرعه", "e\u0301", "1402"])
def test_the_code_in_the_documents_draws_the_same(seed: str) -> None:
    text = (PROJECT / "docs/inspection.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(code, defined)  # noqa: S102  # our own code, as readers run it
    theirs = cast(Callable[[str, int, Sequence[str]], list[str]], defined["draw"])
    ours = draw(seed, 7, IDS)
    assert theirs(seed, 7, IDS) == ours.drawn
    assert defined["digest"](IDS) == ours.digest

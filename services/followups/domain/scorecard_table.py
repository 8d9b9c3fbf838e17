"""Scorecards side by side: which rows a board has, in which order, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from services.followups.domain.scores import By, Scorecard, merged, scorecard
from shared.contracts.reference import AXES, DEPUTIES, PROVINCES
from shared.text import persian_digits


@dataclass(frozen=True, slots=True)
class Row:
    """One scorecard, and whose it is."""

    id: str | None  # None: of the follow-ups that have none of the kind
    title_fa: str
    title_en: str
    card: Scorecard


@dataclass(frozen=True, slots=True)
class ScorecardTable:
    """Scorecards of one kind, at the end of a day."""

    by: By
    as_of: date  # Asia/Tehran
    rows: tuple[Row, ...]
    total: Scorecard
    partial: tuple[str, ...]  # deputies whose database did not answer: they are left out


_Titles: TypeAlias = Mapping[str, tuple[str, str]]  # Persian and English, by id

_TITLES: Final[Mapping[By, _Titles]] = {
    By.DEPUTY: {deputy.id: (deputy.title_fa, deputy.title_en) for deputy in DEPUTIES},
    By.PROVINCE: {province.code: (province.name_fa, province.name_en) for province in PROVINCES},
    By.AXIS: {axis.id: (axis.title_fa, axis.title_en) for axis in AXES},
    By.GATHERING: {
        "provincial": ("نشست تخصصی استانی", "Provincial session"),
        "council-strategic": ("شورای معاونین، سطح راهبردی", "Deputies' council, strategic"),
        "council-executive": ("شورای معاونین، سطح اجرایی", "Deputies' council, executive"),
        "nationwide": ("نشست سراسری استانداران", "Nationwide session of governors"),
        "visit": ("سفر استانی وزیر", "Visit of the Minister"),
    },
    By.SEASON: {},
}
_WITHOUT: Final[Mapping[By, tuple[str, str]]] = {
    By.PROVINCE: ("بدون استان", "Without a province"),
    By.AXIS: ("بدون محور", "Without an axis"),
    By.GATHERING: ("بدون نشست", "Without a gathering"),
}


def scorecard_table(
    by: By,
    as_of: date,
    counts: Sequence[tuple[str, Mapping[str, Mapping[str, int]]]],
    partial: Iterable[str] = (),
) -> ScorecardTable:
    """Put what several deputies' databases count together.

    `counts` holds, for each deputy that answered, the counts of each subject by its id. All
    provinces, axes and gatherings have a row, those without a follow-up too.
    """
    expected = _expected(by, counts)
    by_id: dict[str, list[Mapping[str, int]]] = {id_: [] for id_ in expected}
    for deputy, of_deputy in counts:
        for which, names in of_deputy.items():
            by_id.setdefault(deputy if by is By.DEPUTY else which, []).append(names)
    together = {id_: parts[0] if len(parts) == 1 else merged(parts) for id_, parts in by_id.items()}
    found = {id_ for id_, names in together.items() if any(names.values())}
    others = sorted(found - set(expected), key=lambda id_: (not id_, id_))  # without any: the last
    rows = [_row(by, id_, scorecard(together[id_], as_of)) for id_ in (*expected, *others)]
    total = scorecard(merged(together.values()), as_of)
    return ScorecardTable(by, as_of, tuple(rows), total, tuple(partial))


def _expected(by: By, counts: Sequence[tuple[str, object]]) -> Sequence[str]:
    return [deputy for deputy, _ in counts] if by is By.DEPUTY else list(_TITLES[by])


def _row(by: By, id_: str, card: Scorecard) -> Row:
    if not id_:
        return Row(None, *_WITHOUT[by], card)
    if by is By.SEASON:
        return Row(id_, persian_digits(id_), id_, card)
    return Row(id_, *_TITLES[by].get(id_, (id_, id_)), card)

"""Tables of scorecards: which rows there are, in which order, and their titles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from services.followups.domain.scores import By, Scorecard, merged, scorecard
from shared.contracts.reference import AXES, DEPUTIES, PROVINCES
from shared.text import persian_digits


@dataclass(frozen=True, slots=True)
class Row:
    """One scorecard and its subject."""

    id: str | None  # None: follow-ups without a subject of this kind
    title_fa: str
    title_en: str
    card: Scorecard


@dataclass(frozen=True, slots=True)
class ScorecardTable:
    """The scorecards of one kind of subject, at the end of a day."""

    by: By
    as_of: date  # Asia/Tehran
    rows: tuple[Row, ...]
    total: Scorecard
    partial: tuple[str, ...]  # deputies whose database did not answer; they are left out


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
    subjects: Collection[str] | None = None,
) -> ScorecardTable:
    """Combine the counts of several deputies' databases into one table.

    `counts` holds, for each deputy whose database answered, the counts by name of each subject.
    All provinces, axes and gatherings have a row, even without follow-ups; with `subjects`, only
    those provinces and axes.
    """
    expected = _expected(by, counts)
    if subjects is not None and by is not By.DEPUTY:
        expected = [id_ for id_ in expected if id_ in subjects]
    by_id: dict[str, list[Mapping[str, int]]] = {id_: [] for id_ in expected}
    for deputy, of_deputy in counts:
        for subject, names in of_deputy.items():
            by_id.setdefault(deputy if by is By.DEPUTY else subject, []).append(names)
    totals = {id_: parts[0] if len(parts) == 1 else merged(parts) for id_, parts in by_id.items()}
    found = {id_ for id_, names in totals.items() if any(names.values())}
    others = sorted(
        found - set(expected), key=lambda id_: (not id_, id_)
    )  # the row without a subject comes last
    rows = [_row(by, id_, scorecard(totals[id_], as_of)) for id_ in (*expected, *others)]
    total = scorecard(merged(totals.values()), as_of)
    return ScorecardTable(by, as_of, tuple(rows), total, tuple(partial))


def _expected(by: By, counts: Sequence[tuple[str, object]]) -> Sequence[str]:
    return [deputy for deputy, _ in counts] if by is By.DEPUTY else list(_TITLES[by])


def _row(by: By, id_: str, card: Scorecard) -> Row:
    if not id_:
        return Row(None, *_WITHOUT[by], card)
    if by is By.SEASON:
        return Row(id_, persian_digits(id_), id_, card)
    return Row(id_, *_TITLES[by].get(id_, (id_, id_)), card)

"""The first catalogue: eight axes, each with sub-axes in Persian."""

from __future__ import annotations

import re

from services.reports.domain.catalogue import CATALOGUES
from shared.contracts.reference import AXES
from shared.text import normalise


def test_the_catalogue_has_the_eight_axes_with_their_sub_axes() -> None:
    catalogue = CATALOGUES[1]
    assert [axis.id for axis in catalogue.axes] == [axis.id for axis in AXES]
    for axis in catalogue.axes:
        ids = [sub_axis.id for sub_axis in axis.sub_axes]
        assert 4 <= len(ids) <= 6
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch("[a-z][a-z0-9-]{0,49}", id_) for id_ in ids)


def test_titles_are_persian_as_it_is_stored_and_shown() -> None:
    axes = CATALOGUES[1].axes
    for title in [a.title for a in axes] + [s.title for a in axes for s in a.sub_axes]:
        assert re.search("[\u0600-\u06ff]", title)
        assert normalise(title) == title


def test_every_catalogue_is_stored_by_its_own_version() -> None:
    assert all(catalogue.version == version for version, catalogue in CATALOGUES.items())

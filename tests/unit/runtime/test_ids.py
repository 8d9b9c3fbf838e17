"""Ids derived from names, compared with the standard library's."""

from __future__ import annotations

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.ids import name_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.uuids(), TEXTS)
def test_it_is_the_uuid_of_the_name(space: UUID, name: str) -> None:
    assert name_id(space, name) == str(uuid5(space, name))

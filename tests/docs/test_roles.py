"""The table of docs/roles.md, against what the services answer to each role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pytest

from deploy.local.layout import PROJECT
from tests.unit.api.example_requests import POSTS, SERVICES, opened
from tools.roles import table as policy

_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "coordination": ("coordination",),
    "Minister's office": ("minister-office",),
    "the deputy": ("deputy:civil",),
    "the province": ("province:IR-09",),
    "operator": ("operator",),
    "": ("deputy:security", "province:IR-01", "system"),  # of others, who may only read
}
_ROW: Final = re.compile(r"^\| `POST (/v1/\S+)` \|(.*)\|$", re.MULTILINE)
_HEADS: Final = re.compile(r"^\| request \|(.*)\|$", re.MULTILINE)


def _table() -> dict[str, dict[str, bool]]:
    """Who may send what, by its address and the head of the column."""
    text = (PROJECT / "docs" / "roles.md").read_text(encoding="utf-8")
    heads = _HEADS.search(text)
    assert heads is not None
    names = [name.strip() for name in heads[1].split("|")]
    assert names == [name for name in _ROLES if name]
    return {
        path: dict(zip(names, [cell.strip() == "yes" for cell in cells.split("|")], strict=True))
        for path, cells in _ROW.findall(text)
    }


def test_the_policy_is_in_the_document_as_it_is() -> None:
    assert policy() in (PROJECT / "docs" / "roles.md").read_text(encoding="utf-8")


def test_the_table_has_every_request_that_changes_something() -> None:
    assert list(_table()) == [
        path
        for service in SERVICES
        for example in POSTS[service]
        for _, path in [example.operation]
    ]


@pytest.mark.parametrize("service", [service for service in SERVICES if POSTS[service]])
async def test_a_role_may_what_the_table_says_and_nothing_else(service: str) -> None:
    table = _table()
    for example in POSTS[service]:
        _, address = example.operation
        for column, roles in _ROLES.items():
            for role in roles:
                async with opened(service) as prepared:
                    answer = await prepared.client.http.request(
                        example.method,
                        f"/v1{example.path}".format(**prepared.path_values(example)),
                        params=dict(example.query),
                        headers={"X-Peygir-User": "a.nobody", "X-Peygir-Roles": role},
                        **(
                            {"content": example.content}
                            if example.content
                            else {"json": example.body}
                        ),
                    )
                may = table[address].get(column, False)
                refused = answer.status_code in {403, 404}  # 404: it may not even be seen
                assert (answer.is_success, refused) == (may, not may), (
                    f"{address} by {role}: {answer.status_code} {answer.text}"
                )

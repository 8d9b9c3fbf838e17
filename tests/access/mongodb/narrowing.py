"""Takes one right from a role for a while, to see that it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.access.mongodb.secured import Client
from tools.access.mongodb_plan import Present, role_changes
from tools.access.mongodb_rights import Grant, Role


@contextmanager
def without_right(admin: Client, role: Role, grant: Grant, action: str) -> Iterator[None]:
    """The role lacks one right."""
    less = replace(grant, actions=grant.actions - {action})
    others = (other for other in role.grants if other != grant)
    narrow = Role(role.name, tuple(g for g in (*others, less) if g.actions))
    _give(admin, narrow)
    try:
        yield
    finally:
        _give(admin, role)


def _give(admin: Client, role: Role) -> None:
    (change,) = role_changes([role], Present({role.name: None}, {}, ()))
    assert change.command is not None
    admin.admin.command(change.command)

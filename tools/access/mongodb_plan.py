"""What has to change in MongoDB so that it has the wanted roles and users; nothing is done here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from tools.access.mongodb_rights import Grant, Role
from tools.access.passwords import Login, new_login

Document: TypeAlias = dict[str, Any]

_ADMIN: Final = "admin"
_SECOND: Final = ".2"
_MECHANISMS: Final = ["SCRAM-SHA-256"]


class PasswordUnknown(Exception):
    """A user exists whose password is in no file; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Present:
    """What MongoDB has now: the grants of roles, the roles of users, and whose password is right.

    A role with grants that no `Grant` can express, such as those of another role, has None.
    """

    roles: Mapping[str, frozenset[Grant] | None]
    users: Mapping[str, frozenset[str]]
    right: Collection[Login]


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of what, what is done, and how it is sent to the database `admin`.

    `command` may hold a password; it is None if only the file of a login is written.
    """

    subject: str
    what: str
    detail: str = ""
    command: Document | None = field(default=None, repr=False)
    login: tuple[Path, Login] | None = None  # written before the command is sent


def users_of(name: str) -> tuple[str, str]:
    """The two users of a workload, who are used in turn; both have the same role."""
    return name, name + _SECOND


def role_changes(wanted: Iterable[Role], present: Present) -> Iterator[Change]:
    """Yield what creates missing roles, and gives others exactly the wanted grants."""
    for role in wanted:
        privileges = [_privilege(grant) for grant in role.grants]
        subject = f"role {role.name}"
        if role.name not in present.roles:
            command: Document = {"createRole": role.name, "privileges": privileges, "roles": []}
            yield Change(subject, "create", f"{len(privileges)} collections", command)
            continue
        former = present.roles[role.name]
        if former != frozenset(role.grants):
            command = {"updateRole": role.name, "privileges": privileges, "roles": []}
            detail = "has other kinds of rights" if former is None else _difference(former, role)
            yield Change(subject, "change", detail, command)


def user_changes(
    name: str, folder: Path, known: Login | None, present: Present, *, rotate: bool
) -> Iterator[Change]:
    """Yield what makes the user of a workload usable with the login in `folder`.

    `known` is that login. `rotate`: the other user of the two gets a new password and is used from
    now on; the former one stays valid. Raises PasswordUnknown.
    """
    pair = users_of(name)
    existing = [user for user in pair if user in present.users]
    if known is not None and known.user not in pair:
        raise PasswordUnknown(f"{folder} holds the user {known.user}; expected {' or '.join(pair)}")
    if rotate and (known is not None or existing):
        current = existing[0] if known is None else known.user
        login = new_login(pair[1] if current == pair[0] else pair[0])
        yield _set(login, name, present, "rotate", f"replaces {current}", folder)
    elif known is None and existing:
        raise PasswordUnknown(
            f"the user {existing[0]} exists, but {folder} has no password of it: put it there, or "
            "give it a new one with --rotate"
        )
    elif known is None:
        yield _set(new_login(name), name, present, "create", "new password", folder)
    elif known.user not in present.users:
        yield _set(known, name, present, "create", "password of its file")
    elif known not in present.right:
        yield _set(known, name, present, "change", "password of its file")
    elif present.users[known.user] != {name}:
        yield _set(known, name, present, "change", f"has exactly the role {name}")


def retired(name: str, known: Login | None, present: Present) -> Iterator[Change]:
    """Yield what removes the user of a workload that its login does not name."""
    for user in users_of(name):
        if known is not None and user != known.user and user in present.users:
            yield Change(f"user {user}", "remove", f"{known.user} is used", {"dropUser": user})


def grants_of(info: Mapping[str, Any]) -> frozenset[Grant] | None:
    """The grants of a role, as `rolesInfo` shows it with its privileges."""
    if info.get("roles"):
        return None
    grants = set()
    for privilege in info.get("privileges", ()):
        resource = privilege["resource"]
        if resource.keys() != {"db", "collection"}:
            return None
        grants.add(Grant(resource["db"], resource["collection"], frozenset(privilege["actions"])))
    return frozenset(grants)


def _set(
    login: Login, role: str, present: Present, what: str, detail: str, folder: Path | None = None
) -> Change:
    """The change that gives a user this password and exactly this role."""
    verb = "updateUser" if login.user in present.users else "createUser"
    command: Document = {
        verb: login.user,
        "pwd": login.password,
        "roles": [{"role": role, "db": _ADMIN}],
        "mechanisms": _MECHANISMS,
    }
    written = None if folder is None else (folder, login)
    return Change(f"user {login.user}", what, detail, command, written)


def _privilege(grant: Grant) -> Document:
    return {
        "resource": {"db": grant.database, "collection": grant.collection},
        "actions": sorted(grant.actions),
    }


def _difference(former: Collection[Grant], role: Role) -> str:
    """`+ reports.commits: find; - scheduler.commits: remove`."""
    before, after = _single(former), _single(role.grants)
    parts = [
        *(f"+ {place}: {action}" for place, action in sorted(after - before)),
        *(f"- {place}: {action}" for place, action in sorted(before - after)),
    ]
    return "; ".join(parts)


def _single(grants: Iterable[Grant]) -> set[tuple[str, str]]:
    return {(f"{g.database}.{g.collection}", action) for g in grants for action in g.actions}


def names_of(roles: Iterable[Role]) -> Sequence[str]:
    """The names of roles."""
    return [role.name for role in roles]

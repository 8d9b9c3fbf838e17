"""`python -m tools.access mongodb`: a role and a user in MongoDB for each workload."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeAlias

import typer
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from rich.console import Console
from rich.table import Table

from shared.runtime.refused_rights import refused_right
from shared.runtime.settings import PARTS, load
from tools.access import passwords
from tools.access.mongodb_plan import (
    Change,
    PasswordUnknown,
    Present,
    grants_of,
    names_of,
    retired,
    role_changes,
    user_changes,
    users_of,
)
from tools.access.mongodb_rights import Role, role_of, roles_of_people
from tools.access.passwords import BadSecret, Login
from tools.access.workloads import Workload, workloads
from tools.asking import ToolSettings

Client: TypeAlias = MongoClient[dict[str, Any]]

_WAIT_MS: Final = 10_000
_USER_IN_URI: Final = re.compile(r"^(mongodb(?:\+srv)?://)[^/@]*@")


class MongoAccessSettings(ToolSettings):
    """Settings of the command: MongoDB's address, with an administrator's user and password."""

    NEEDS = "PEYGIR_MONGODB"


# long: each option is documented where it is declared
def mongodb(
    folder: Annotated[
        Path,
        typer.Option("--secrets", help="Folder of the users' names and passwords, by workload."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would change.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="This workload alone; may be given several times.")
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give new passwords, each to the user's other name.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Remove the users that a rotation replaced.")
    ] = False,
    together: Annotated[
        bool, typer.Option("--together", help="One process serves all deputies, as in `make up`.")
    ] = False,
) -> None:
    """Give each workload a user of its own in MongoDB, with the rights that its code needs.

    Safe to repeat: what is as it should be stays. PEYGIR_MONGODB_URI, _USERNAME and _PASSWORD are
    those of an administrator (the role userAdmin or root on admin). A rotation takes three steps:
    --rotate, new Secrets and a rollout, --retire.
    """
    settings = load(MongoAccessSettings)
    if rotate and retire:
        _fail("--rotate and --retire are two steps: between them, every process gets its Secret")
    chosen = _chosen(settings, only or [], together=together)
    simulated = settings.clock == "simulated"
    roles = [role_of(w, settings.namespace, simulated_clock=simulated) for w in chosen]
    people = [] if only else roles_of_people(settings.known_deputies, settings.namespace)
    client: Client = MongoClient(settings.mongodb_address(), serverSelectionTimeoutMS=_WAIT_MS)
    try:
        with client:
            logins = {role.name: passwords.read(folder / w.name) for role, w in _zip(roles, chosen)}
            present = read_present(client, settings, [*roles, *people], logins)
            changes = list(role_changes([*roles, *people], present))
            for role, workload in _zip(roles, chosen):
                login = logins[role.name]
                if retire:
                    changes += retired(role.name, login, present)
                else:
                    place = folder / workload.name
                    changes += user_changes(role.name, place, login, present, rotate=rotate)
            done = _apply(client, changes, dry_run=dry_run)
    except (BadSecret, PasswordUnknown) as error:
        _fail(str(error))
    except OperationFailure as error:
        _fail(refused_right(error) or f"MongoDB refuses: {error.details}")
    except PyMongoError as error:
        _fail(f"MongoDB does not answer ({type(error).__name__}): check PEYGIR_MONGODB_URI")
    _print(changes[:done], dry_run=dry_run)


def read_present(
    client: Client,
    settings: MongoAccessSettings,
    roles: Sequence[Role],
    logins: Mapping[str, Login | None],
) -> Present:
    """Read the roles and users that exist, and whether each login is accepted.

    Raises the driver's errors.
    """
    admin = client.admin
    asked = [{"role": name, "db": "admin"} for name in names_of(roles)]
    info = admin.command({"rolesInfo": asked, "showPrivileges": True})["roles"] if asked else []
    names = [{"user": user, "db": "admin"} for name in logins for user in users_of(name)]
    users = admin.command({"usersInfo": names})["users"] if names else []
    found = {entry["user"]: entry["roles"] for entry in users}
    return Present(
        roles={entry["role"]: grants_of(entry) for entry in info},
        users={user: frozenset(role["role"] for role in held) for user, held in found.items()},
        right=frozenset(
            login
            for login in logins.values()
            if login is not None and login.user in found and _is_right(settings, login)
        ),
    )


def _is_right(settings: MongoAccessSettings, login: Login) -> bool:
    """Whether MongoDB accepts this login."""
    bare = _USER_IN_URI.sub(r"\1", settings.mongodb_uri.get_secret_value())
    as_login = settings.model_copy(
        update={
            "mongodb_uri": SecretStr(bare),
            "mongodb_username": login.user,
            "mongodb_password": SecretStr(login.password),
            "mongodb_password_file": None,
        }
    )
    client: Client = MongoClient(as_login.mongodb_address(), serverSelectionTimeoutMS=_WAIT_MS)
    with client:
        try:
            client.admin.command("ping")
        except OperationFailure:
            return False
    return True


def _chosen(
    settings: MongoAccessSettings, only: Sequence[str], *, together: bool
) -> Sequence[Workload]:
    """The workloads of this installation, or those of them that are named."""
    there = list(workloads(settings.known_deputies))
    if together:
        alone = Workload("followups", "followups", settings.known_deputies, frozenset(PARTS))
        there = [*(w for w in there if w.service != "followups"), alone]
    if unknown := set(only) - {workload.name for workload in there}:
        listed = ", ".join(workload.name for workload in there)
        _fail(f"there is no workload {', '.join(sorted(unknown))}; there are {listed}")
    return [workload for workload in there if not only or workload.name in only]


def _zip(roles: Sequence[Role], chosen: Sequence[Workload]) -> Iterator[tuple[Role, Workload]]:
    return zip(roles, chosen, strict=True)


def _apply(client: Client, changes: Sequence[Change], *, dry_run: bool) -> int:
    """Make the changes one after another; return how many. Raises the driver's errors."""
    if dry_run:
        return len(changes)
    for change in changes:
        if change.login is not None:  # a password that only MongoDB knew would be lost
            passwords.write(*change.login)
        if change.command is not None:
            client.admin.command(change.command)
    return len(changes)


def _print(changes: Sequence[Change], *, dry_run: bool) -> None:
    console = Console()
    if not changes:
        console.print("all roles and users are as they should be")
        return
    table = Table(title="would change" if dry_run else "changed", title_justify="left")
    for heading in ("what", "is", "how"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        table.add_row(change.subject, change.what, change.detail)
    console.print(table)


def _fail(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)

"""`python -m tools.access kafka` and `strimzi`: rights in Kafka, from the data in `rights.py`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import Field
from rich.console import Console
from rich.table import Table

from shared.contracts.topics import Topics
from shared.runtime.integrators import BadIntegrators, Integrators, read_integrators
from shared.runtime.settings import PARTS, load, refuse
from tools.access import strimzi as manifests
from tools.access.kafka_acls import Difference, KafkaAccess, KafkaAccessFailed, difference
from tools.access.rights import Grantee, grantees
from tools.access.workloads import Workload, workloads
from tools.asking import ToolSettings

USERNAME_FILE: Final = "peygir_kafka_username"  # read as the setting of that name
# Named by PEYGIR_KAFKA_PASSWORD_FILE, since it may be rotated.
PASSWORD_FILE: Final = "kafka_password"  # noqa: S105 - the name of a file
_RANDOM_BYTES: Final = 32
_VARIABLE: Final = "PEYGIR_KAFKA"


class KafkaAccessSettings(ToolSettings):
    """Settings of the commands: Kafka's address with an administrator's login."""

    integrators_file: Path | None = Field(
        None, description="The TOML file that lists the systems of others."
    )

    def lacks(self) -> Iterator[str]:
        """MongoDB is not used here."""
        return (line for line in super().lacks() if line.startswith(_VARIABLE))


Together = Annotated[
    bool, typer.Option("--together", help="One process serves all deputies, as in `make up`.")
]


def kafka(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would change.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--secrets", help="Also make users; their passwords go to this folder."),
    ] = None,
    rotate: Annotated[
        list[str] | None,
        typer.Option(help="Give this user a new password; may be given several times."),
    ] = None,
    together: Together = False,
) -> None:
    """Give everybody who logs in to Kafka the rights that `rights.py` lists, and take the others.

    Safe to repeat. Only rules that this project makes are removed, and the users of integrators
    that are no longer in PEYGIR_INTEGRATORS_FILE.
    """
    settings = load(KafkaAccessSettings)
    declared = declared_rights(settings, together=together)
    if unknown := sorted(set(rotate or []) - {one.user for one in declared}):
        _fail(f"there is no user {', '.join(unknown)}; without --rotate, the table lists them all")
    if rotate and folder is None:
        _fail("--rotate writes the new password into a file; add --secrets FOLDER")
    access = KafkaAccess(librdkafka_options(settings), ", ".join(settings.kafka_bootstrap_servers))
    try:
        users = access.users() if folder is not None else frozenset(one.user for one in declared)
        found = difference(declared, access.rules(), users, settings.namespace)
        changed = [*found.users, *(user for user in rotate or [] if user not in found.users)]
        if not dry_run:
            _apply(access, found, changed, folder, settings.namespace)
    except KafkaAccessFailed as error:
        _fail(str(error))
    _print(found, changed, dry_run=dry_run)


def strimzi(
    cluster: Annotated[
        str, typer.Option("--cluster", help="The name of Strimzi's Kafka resource.")
    ] = "peygir",
    tls: Annotated[
        bool, typer.Option("--tls", help="Users with certificates instead of passwords.")
    ] = False,
) -> None:
    """Print a KafkaUser of Strimzi for everybody who logs in to Kafka, as YAML."""
    settings = load(KafkaAccessSettings)
    authentication = "tls" if tls else "scram-sha-512"
    print(manifests.manifests(declared_rights(settings), cluster, authentication), end="")


def declared_rights(settings: KafkaAccessSettings, *, together: bool = False) -> list[Grantee]:
    """Everybody with a login of this installation. Ends the process for a wrong file."""
    integrators = Integrators()
    if settings.integrators_file is not None:
        try:
            integrators = read_integrators(settings.integrators_file, settings.known_deputies)
        except BadIntegrators as error:
            refuse("PEYGIR_INTEGRATORS_FILE", str(error))
    topics = Topics(settings.known_deputies, settings.namespace)
    return grantees(topics, integrators.all, _services(settings.known_deputies, together))


def librdkafka_options(settings: KafkaAccessSettings) -> dict[str, Any]:
    """The options by which librdkafka connects as the settings say."""
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.kafka_bootstrap_servers),
        "security.protocol": settings.kafka_security_protocol,
    }
    files = {
        "ssl.ca.location": settings.kafka_ca_file,
        "ssl.certificate.location": settings.kafka_cert_file,
        "ssl.key.location": settings.kafka_key_file,
    }
    options |= {name: str(path) for name, path in files.items() if path is not None}
    if not settings.kafka_has_sasl:
        return options
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        _fail("this command logs in with SCRAM, PLAIN or a certificate; see docs/kafka-access.md")
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    if settings.kafka_password_file is not None:
        password = settings.kafka_password_file.read_text(encoding="utf-8").strip()
    return options | {
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_username,
        "sasl.password": password,
    }


def _services(deputies: Sequence[str], together: bool) -> list[Workload]:
    there = list(workloads(deputies))
    if together:
        alone = Workload("followups", "followups", tuple(deputies), frozenset(PARTS))
        there = [*(one for one in there if one.service != "followups"), alone]
    return there


def _apply(
    access: KafkaAccess,
    found: Difference,
    passwords: Sequence[str],
    folder: Path | None,
    namespace: str,
) -> None:
    """Make the changes; rights go before they come, and files before passwords.

    A password that is in Kafka and in no file could not be used. Raises KafkaAccessFailed.
    """
    access.remove(found.remove)
    access.add(found.add)
    if folder is None:
        return
    for user in passwords:
        password = secrets.token_urlsafe(_RANDOM_BYTES)
        write_login(folder / user.removeprefix(namespace), user, password)
        access.set_password(user, password)
    for user in found.gone:
        access.forget_user(user)


def write_login(folder: Path, user: str, password: str) -> None:
    """Write a user's name and password into files of mode 600, each at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in ((USERNAME_FILE, user), (PASSWORD_FILE, password)):
        draft = folder / f".{name}.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(folder / name)


def _print(found: Difference, passwords: Sequence[str], *, dry_run: bool) -> None:
    rows = [
        *(("remove right", str(rule)) for rule in found.remove),
        *(("add right", str(rule)) for rule in found.add),
        *(("set password", f"User:{user}") for user in passwords),
        *(("remove user", f"User:{user}") for user in found.gone),
    ]
    console = Console()
    if not rows:
        console.print("all rights and users are as they should be")
        return
    table = Table(title="would change" if dry_run else "changed", title_justify="left")
    table.add_column("what")
    table.add_column("of whom", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _fail(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)

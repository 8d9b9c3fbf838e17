"""`python -m tools.access kafka` and `strimzi`: rights and quotas in Kafka.

They are data, in `rights.py` and `quotas.py`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import Field
from rich.console import Console
from rich.table import Table

from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import connection_of
from shared.runtime.integrators import BadIntegrators, Integrators, read_integrators
from shared.runtime.settings import PARTS, load, refuse
from tools.access import strimzi as manifests
from tools.access.kafka_acls import (
    Difference,
    KafkaAccess,
    KafkaAccessFailed,
    Ownership,
    difference,
)
from tools.access.kafka_quotas import KafkaQuotas
from tools.access.quotas import BadQuotas, QuotaChange, Quotas, quota_changes, read_quotas
from tools.access.rights import Grantee, grantees
from tools.access.workloads import Workload, workloads
from tools.asking import ToolSettings

USERNAME_FILE: Final = "peygir_kafka_username"  # read as the setting of that name
# Named by PEYGIR_KAFKA_PASSWORD_FILE, since it may be rotated.
PASSWORD_FILE: Final = "kafka_password"  # noqa: S105 - the name of a file
_RANDOM_BYTES: Final = 32


class KafkaAccessSettings(ToolSettings):
    """Settings of the commands: Kafka's address with an administrator's login."""

    integrators_file: Path | None = Field(
        None, description="The TOML file that lists the systems of others."
    )
    quotas_file: Path | None = Field(
        None, description="The TOML file with quotas other than the defaults."
    )

    NEEDS = "PEYGIR_KAFKA"


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to change in a cluster, and whose passwords are set."""

    access: Difference
    quotas: tuple[QuotaChange, ...]
    passwords: tuple[str, ...]


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

    Quotas are set as `quotas.py` and PEYGIR_QUOTAS_FILE say. Safe to repeat. Only rules that this
    project makes are removed, and the users of integrators that are no longer in
    PEYGIR_INTEGRATORS_FILE.
    """
    settings = load(KafkaAccessSettings)
    declared = declared_rights(settings, together=together)
    if unknown := sorted(set(rotate or []) - {one.user for one in declared}):
        _fail(f"there is no user {', '.join(unknown)}; without --rotate, the table lists them all")
    if rotate and folder is None:
        _fail("--rotate writes the new password into a file; add --secrets FOLDER")
    quotas = declared_quotas(settings, declared)
    access = KafkaAccess(librdkafka_options(settings), ", ".join(settings.kafka_bootstrap_servers))
    limiter = KafkaQuotas(connection_of(settings))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # errors are one line
    try:
        users = access.users() if folder is not None else frozenset(one.user for one in declared)
        found = difference(declared, access.rules(), users, settings.namespace)
        changed = [*found.users, *(user for user in rotate or [] if user not in found.users)]
        changes = _quota_changes(
            declared, quotas, limiter, settings.namespace, with_users=folder is not None
        )
        plan = Plan(found, changes, tuple(changed))
        if not dry_run:
            _apply(access, limiter, plan, folder, settings.namespace)
    except KafkaAccessFailed as error:
        _fail(str(error))
    _print(plan, dry_run=dry_run)


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
    declared = declared_rights(settings)
    quotas = declared_quotas(settings, declared)
    print(manifests.manifests(declared, quotas, cluster, authentication), end="")


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


def declared_quotas(settings: KafkaAccessSettings, declared: Sequence[Grantee]) -> Quotas:
    """The quotas of this installation's users. Ends the process for a wrong file."""
    if settings.quotas_file is None:
        return Quotas()
    try:
        quotas = read_quotas(settings.quotas_file)
        quotas.check(declared)
    except BadQuotas as error:
        refuse("PEYGIR_QUOTAS_FILE", str(error))
    return quotas


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


def _quota_changes(
    declared: Sequence[Grantee],
    quotas: Quotas,
    limiter: KafkaQuotas,
    namespace: str,
    *,
    with_users: bool,
) -> tuple[QuotaChange, ...]:
    """Quotas that are not as declared. They end with their user, so not before users are managed.

    Raises KafkaAccessFailed.
    """
    wanted = {one.user: quotas.of(one) for one in declared}
    present = asyncio.run(limiter.present())
    ownership = Ownership(namespace, frozenset(wanted))
    former = sorted(u for u in present.keys() - wanted.keys() if ownership.owns_user(u))
    return quota_changes(wanted, present, former if with_users else ())


def _apply(
    access: KafkaAccess, limiter: KafkaQuotas, plan: Plan, folder: Path | None, namespace: str
) -> None:
    """Make the changes; rights go before they come, and files before passwords.

    A password that is in Kafka and in no file could not be used. A user is limited before it can
    log in, and until it no longer can. Raises KafkaAccessFailed.
    """
    access.remove(plan.access.remove)
    asyncio.run(limiter.change([one for one in plan.quotas if one.declared is not None]))
    access.add(plan.access.add)
    if folder is not None:
        for user in plan.passwords:
            password = secrets.token_urlsafe(_RANDOM_BYTES)
            write_login(folder / user.removeprefix(namespace), user, password)
            access.set_password(user, password)
        for user in plan.access.gone:
            access.forget_user(user)
    asyncio.run(limiter.change([one for one in plan.quotas if one.declared is None]))


def write_login(folder: Path, user: str, password: str) -> None:
    """Write a user's name and password into files of mode 600, each at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in ((USERNAME_FILE, user), (PASSWORD_FILE, password)):
        draft = folder / f".{name}.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(folder / name)


def _print(plan: Plan, *, dry_run: bool) -> None:
    rows = [
        *(("remove right", str(rule)) for rule in plan.access.remove),
        *(("set quota", str(change)) for change in plan.quotas),
        *(("add right", str(rule)) for rule in plan.access.add),
        *(("set password", f"User:{user}") for user in plan.passwords),
        *(("remove user", f"User:{user}") for user in plan.access.gone),
    ]
    console = Console()
    if not rows:
        console.print("all rights, quotas and users are as they should be")
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

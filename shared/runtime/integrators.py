"""The systems of others that work with this installation: which, for whom, and what they may read.

One TOML file lists them; `PEYGIR_INTEGRATORS_FILE` names it:

    [[integrators]]
    name = "province-tracker"                 # its user in Kafka is integrator-province-tracker
    sources = ["/province-tracker"]           # the `ce_source` of its events
    deputies = ["civil"]                      # whose resolutions it approves, amends, withdraws
    reads = ["sessions", "followups.civil"]   # topics, without `peygir.` and version
    keys = { "2026-1" = "MCowBQYDK2VwAyEA…" } # public keys (Ed25519, SubjectPublicKeyInfo, base64)

    [services.scheduler]                      # our own writers, besides what rights protect
    keys = { "2026-1" = "MCowBQYDK2VwAyEA…" }
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.contracts.services import SERVICES
from shared.contracts.topics import Topics

# The library takes ten megabytes, so it is loaded only where a file lists keys.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,49}")
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_READABLE: Final = ("sessions", "circulars", "reports", "reports.restricted", "notices")
_OF_DEPUTIES: Final = ("resolutions", "followups")
_FIELDS: Final = frozenset({"name", "sources", "deputies", "reads", "keys"})
_OWN_SOURCE: Final = "urn:peygir:"


class BadIntegrators(Exception):
    """A file of integrators that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Integrator:
    """A system of others, and what it may do."""

    name: str
    sources: frozenset[str]  # the `ce_source` of its events
    deputies: frozenset[str]  # whose resolutions it may send
    reads: frozenset[str] = frozenset()  # as `topics_to_read` explains
    keys: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)  # by their ids

    @property
    def user(self) -> str:
        """Its user in Kafka."""
        return f"integrator-{self.name}"


@dataclass(frozen=True, slots=True)
class Integrators:
    """All integrators of an installation, and the keys of its own services."""

    all: tuple[Integrator, ...] = ()
    services: Mapping[str, Mapping[str, Ed25519PublicKey]] = field(default_factory=dict)

    def of_source(self, source: str) -> Integrator | None:
        """The integrator whose events have this `ce_source`; None if there is none."""
        return next((one for one in self.all if source in one.sources), None)

    def named(self, name: str) -> Integrator | None:
        """The integrator of this name; None if there is none."""
        return next((one for one in self.all if one.name == name), None)


def read_integrators(path: Path, deputies: Iterable[str]) -> Integrators:
    """Read a file of integrators; `deputies` are all that exist. Raises BadIntegrators."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadIntegrators(f"{path} cannot be read ({type(error).__name__})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadIntegrators(f"{path} is no TOML: {error}") from error
    try:
        return _read(document, frozenset(deputies))
    except BadIntegrators as error:
        raise BadIntegrators(f"{path}: {error}") from error


def topics_to_read(integrator: Integrator, topics: Topics) -> Iterator[str]:
    """The names of the topics that an integrator may read, besides that of rejections.

    `sessions`, `circulars`, `reports`, `reports.restricted` and `notices` are topics;
    `resolutions.civil` and `followups.civil` are those of a deputy.
    """
    names = {
        "sessions": topics.sessions,
        "circulars": topics.circulars,
        "reports": topics.reports,
        "reports.restricted": topics.reports_restricted,
        "notices": topics.notices,
        **{f"resolutions.{deputy}": topics.resolutions(deputy) for deputy in topics.deputies},
        **{f"followups.{deputy}": topics.followups(deputy) for deputy in topics.deputies},
    }
    return (names[read] for read in sorted(integrator.reads))


def _read(document: Mapping[str, Any], deputies: frozenset[str]) -> Integrators:
    if unknown := document.keys() - {"integrators", "services"}:
        raise BadIntegrators(f"{', '.join(sorted(unknown))}: unknown; allowed: integrators")
    entries = document.get("integrators", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadIntegrators("write each integrator as [[integrators]]")
    found = tuple(_integrator(entry, n, deputies) for n, entry in enumerate(entries, start=1))
    names = [integrator.name for integrator in found]
    sources = [source for integrator in found for source in integrator.sources]
    for what, given in (("name", names), ("source", sources)):
        if twice := sorted({one for one in given if given.count(one) > 1}):
            raise BadIntegrators(f"two integrators have the {what} {twice[0]!r}")
    return Integrators(found, _services(document.get("services", {})))


def _integrator(entry: Mapping[str, Any], number: int, deputies: frozenset[str]) -> Integrator:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadIntegrators(f"integrator {number} needs a name of a-z, 0-9 and -, such as tracker")
    if unknown := entry.keys() - _FIELDS:
        raise BadIntegrators(f"{name}: {', '.join(sorted(unknown))} is no field of an integrator")
    sources, its_deputies, reads = (
        _texts(entry, field, name) for field in ("sources", "deputies", "reads")
    )
    if strange := its_deputies - deputies:
        raise BadIntegrators(f"{name}: {', '.join(sorted(strange))} is no deputy")
    if its_deputies and not sources:
        raise BadIntegrators(f"{name}: sources is empty; name the ce_source of its events")
    for source in sources:
        if not source or source.startswith(_OWN_SOURCE):
            raise BadIntegrators(f"{name}: the source {source!r} is not an integrator's")
    readable = {*_READABLE, *(f"{kind}.{deputy}" for kind in _OF_DEPUTIES for deputy in deputies)}
    if strange := reads - readable:
        raise BadIntegrators(f"{name}: {', '.join(sorted(strange))} is nothing to read")
    return Integrator(name, sources, its_deputies, reads, _keys(entry.get("keys", {}), name))


def _services(entries: Any) -> Mapping[str, Mapping[str, Ed25519PublicKey]]:
    if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
        raise BadIntegrators("write each service as [services.scheduler]")
    if unknown := entries.keys() - set(SERVICES):
        raise BadIntegrators(f"{', '.join(sorted(unknown))} is no service")
    return {name: _keys(entry.get("keys", {}), name) for name, entry in entries.items()}


def _texts(entry: Mapping[str, Any], name: str, whose: str) -> frozenset[str]:
    given = entry.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise BadIntegrators(f"{whose}: {name} is a list of texts")
    return frozenset(given)


def _keys(given: Any, whose: str) -> Mapping[str, Ed25519PublicKey]:
    if not isinstance(given, dict):
        raise BadIntegrators(f"{whose}: keys is a table of ids and public keys")
    return {id_: _key(id_, text, whose) for id_, text in given.items()}


def _key(id_: str, text: Any, whose: str) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    if not _KEY_ID.fullmatch(id_):
        raise BadIntegrators(f"{whose}: the key's id {id_!r} has other signs than A-Z a-z 0-9 _ -")
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise BadIntegrators(f"{whose}: the key {id_} is no public key in base64") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise BadIntegrators(f"{whose}: the key {id_} is not of Ed25519")
    return key

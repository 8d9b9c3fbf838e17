"""Users, rights and signing keys for a secured Kafka on one machine; all made at run time.

The order: `KafkaSecurity` with the broker, `prepare_sources`, `grant_access` once the broker
answers, the topics as the user `topics`, then each service with `login_of` and `sources_of`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.certificates import write_private
from deploy.local.kafka_security import KafkaSecurity
from deploy.local.layout import PROJECT, Layout
from shared.runtime.signatures import public_key, read_signing_key

EXAMPLE: Final = "example"
"""The integrator that is there from the beginning; it may approve for every deputy."""

_PASSWORD: Final = "kafka_password"  # noqa: S105 - the name of a file


class AccessFailed(Exception):
    """Users and rights could not be made; the message has what the tool said."""


def prepare_sources(folder: Path, deputies: tuple[str, ...]) -> Path:
    """Make the keys of the scheduler and of an example integrator; return the integrators' file.

    Keys that are there stay, and so does a file that is there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "integrators.toml"
    public = {name: _public_key(folder / f"{name}.key") for name in ("scheduler", EXAMPLE)}
    if not file.exists():
        named = ", ".join(f'"{deputy}"' for deputy in deputies)
        text = (
            f'[[integrators]]\nname = "{EXAMPLE}"\nsources = ["/{EXAMPLE}"]\n'
            f'deputies = [{named}]\nkeys = {{ local = "{public[EXAMPLE]}" }}\n\n'
            f'[services.scheduler]\nkeys = {{ local = "{public["scheduler"]}" }}\n'
        )
        write_private(file, text.encode())
    return file


def sources_of(service: str, folder: Path) -> Mapping[str, str]:
    """The variables by which a service judges and signs events."""
    found = {"PEYGIR_INTEGRATORS_FILE": str(folder / "integrators.toml")}
    if service == "scheduler":
        found["PEYGIR_SIGNING_KEY_FILE"] = str(folder / "scheduler.key")
    return found


def grant_access(
    layout: Layout,
    security: KafkaSecurity,
    secrets: Path,
    integrators: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Make users and rights in Kafka; passwords go to files in `secrets`. Raises AccessFailed.

    One process serves all deputies, as `make up` runs it: its user is `followups`.
    """
    arguments = ("tools.access", "kafka", "--together", "--secrets", str(secrets))
    done = subprocess.run(
        (sys.executable, "-m", *arguments),
        cwd=PROJECT,
        env={
            **os.environ,
            "PEYGIR_ENV": "development",
            **(environment or {}),
            "PEYGIR_INTEGRATORS_FILE": str(integrators),
            "PEYGIR_KAFKA_USERNAME": "",
            "PEYGIR_KAFKA_PASSWORD_FILE": "",
            **security.administrator(layout),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AccessFailed(f"granting access to Kafka failed:\n{done.stdout}{done.stderr}".rstrip())


def login_of(name: str, security: KafkaSecurity, secrets: Path) -> Mapping[str, str]:
    """The variables by which a service, tool or integrator logs in to Kafka."""
    return security.client(name, secrets / name / _PASSWORD)


def _public_key(path: Path) -> str:
    """The public half of the key in a file, which is made if it is not there."""
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem)
    return public_key(read_signing_key(path))

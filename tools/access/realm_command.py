"""`python -m tools.access realm`: the realm as a file."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from shared.contracts.reference import DEPUTIES
from tools.access.realm import as_text, realm

_TITLES = {deputy.id: deputy.title_en for deputy in DEPUTIES}


def print_realm(
    deputies: Annotated[
        str,
        typer.Option(
            envvar="PEYGIR_KNOWN_DEPUTIES",
            help="All deputies, with commas between; the usual nine by default.",
        ),
    ] = ",".join(_TITLES),
) -> None:
    """Print the realm to import into Keycloak, as deploy/identity/peygir-realm.json has it."""
    ids = [name.strip() for name in deputies.split(",") if name.strip()]
    sys.stdout.write(as_text(realm({id_: _TITLES.get(id_, id_) for id_ in ids})))

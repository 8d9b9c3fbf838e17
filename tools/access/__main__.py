"""The command line.

python -m tools.access kafka --dry-run              what would change in Kafka's rights
python -m tools.access strimzi                      the same rights as Strimzi's KafkaUsers
python -m tools.access mongodb --secrets secrets    roles and users in MongoDB
python -m tools.access realm                        the roles, as a realm of Keycloak
"""

from __future__ import annotations

import typer

from tools.access.kafka import kafka, strimzi
from tools.access.mongodb import mongodb
from tools.access.realm_command import print_realm

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Say who may do what in the systems that Peygir uses.",
)
app.command("kafka")(kafka)
app.command("strimzi")(strimzi)
app.command("mongodb")(mongodb)
app.command("realm")(print_realm)


@app.callback()
def _root() -> None:
    """Say who may do what in the systems that Peygir uses."""


if __name__ == "__main__":
    app(prog_name="python -m tools.access")

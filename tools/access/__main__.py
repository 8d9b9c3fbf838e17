"""The command line.

python -m tools.access kafka --dry-run      what would change in Kafka's rights
python -m tools.access strimzi              the same rights as Strimzi's KafkaUsers
"""

from __future__ import annotations

import typer

from tools.access.kafka import kafka, strimzi

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Give each workload its own user and rights, in each store.",
)
app.command("kafka")(kafka)
app.command("strimzi")(strimzi)


@app.callback()
def _root() -> None:
    """Give each workload its own user and rights, in each store."""


if __name__ == "__main__":
    app()

"""The command line.

python -m tools.access mongodb --secrets secrets    roles and users in MongoDB
"""

from __future__ import annotations

import typer

from tools.access.mongodb import mongodb

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Give each workload its own user and rights, in each store.",
)
app.command("mongodb")(mongodb)


@app.callback()
def _root() -> None:
    """Give each workload its own user and rights, in each store."""


if __name__ == "__main__":
    app()

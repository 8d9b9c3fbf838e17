"""python -m deploy.supply sbom|audit: what of others is in the image, and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from deploy.supply.audit import Audit, Unreachable, audit
from deploy.supply.locked import NotInstalled, packages
from deploy.supply.sbom import InvalidBom, document

_PROJECT: Final = Path(__file__).resolve().parents[2]
_LOCK: Final = _PROJECT / "requirements.txt"

app = typer.Typer(no_args_is_help=True, help=__doc__)
_console = Console(stderr=True)


@app.command()
def sbom(
    output: Annotated[Path, typer.Option(help="The file that is written.")],
) -> None:
    """Write a CycloneDX bill of materials of the image, checked against its schema."""
    try:
        text = document(packages(_LOCK))
    except (NotInstalled, InvalidBom) as error:
        _console.print(str(error), style="red")
        raise typer.Exit(1) from error
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    _console.print(f"{output}: CycloneDX 1.6, valid")


@app.command("audit")
def audit_command() -> None:
    """Compare the pinned packages with known vulnerabilities; exit code 1 if there are any.

    A site without access to the database of vulnerabilities gets a notice, and passes.
    """
    try:
        found = audit(_LOCK)
    except Unreachable as error:
        _console.print(f"NOT AUDITED: the database of vulnerabilities is out of reach ({error})")
        return
    _show(found)
    if found.findings:
        raise typer.Exit(1)


def _show(found: Audit) -> None:
    if found.unknown:
        total = found.audited + len(found.unknown)
        _console.print(
            f"NOT AUDITED: {len(found.unknown)} of {total} packages are unknown to the database "
            "that can be reached from here; run this where the public one can be"
        )
    if not found.findings:
        if found.audited:
            _console.print(f"{found.audited} packages audited, no known vulnerability")
        return
    table = Table("package", "version", "vulnerability", "mended in")
    for finding in found.findings:
        mended = ", ".join(finding.fixed_in) or "nothing yet"
        table.add_row(finding.package, finding.version, finding.id, mended)
    _console.print(table)


if __name__ == "__main__":
    app()

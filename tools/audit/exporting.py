"""The audit trail as JSON Lines or CSV, one entry a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TextIO, TypeAlias

from shared.messaging.ledger.chain import Provenance, provenance_of
from tools.audit.trail import Committed

Format: TypeAlias = Literal["jsonl", "csv"]
Row: TypeAlias = Mapping[str, str | int | None]

COLUMNS: Final = (
    "at", "by", "roles", "token", "client", "address", "database", "what", "aggregate",
    "version", "type", "id", "data", "hash",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def row_of(entry: Committed) -> Row:
    """The line of an event; `data` is its JSON, `hash` hexadecimal, `at` UTC."""
    event = entry.event
    return {
        **_who(entry.who),
        "database": entry.database,
        "what": entry.kind,
        "aggregate": event.aggregate_id,
        "version": event.version,
        "type": event.type,
        "id": event.id,
        "data": event.data.decode(),
        "hash": None if entry.hash is None else entry.hash.hex(),
    }


def rows_of_read(database: str, read: Mapping[str, Any]) -> Iterator[Row]:
    """The lines of a read of restricted axes, one for each report."""
    for report in read["reports"]:
        yield {
            **_who(provenance_of(read)),
            "database": database,
            "what": "read texts" if read["texts"] else "read counts",
            "aggregate": report,
            "version": None,
            "type": None,
            "id": str(read["_id"]),
            "data": json.dumps({"axes": list(read["axes"])}),
            "hash": None,
        }


class Writer:
    """Writes lines in one of the formats."""

    def __init__(self, out: TextIO, format_: Format) -> None:
        self._out = out
        self._csv = csv.DictWriter(out, COLUMNS) if format_ == "csv" else None
        if self._csv is not None:
            self._csv.writeheader()

    def write(self, row: Row) -> None:
        if self._csv is not None:
            self._csv.writerow({name: _harmless(value) for name, value in row.items()})
        else:
            self._out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _who(who: Provenance) -> Row:
    authority = who.authority
    return {
        "at": who.at.isoformat(timespec="milliseconds"),
        "by": who.by,
        "roles": " ".join(who.roles if authority is None else authority.roles),
        "token": None if authority is None else authority.token_id,
        "client": None if authority is None else authority.client,
        "address": None if authority is None else authority.address,
    }


def _harmless(value: str | int | None) -> str | int | None:
    """A text that a spreadsheet takes as text, also if it begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

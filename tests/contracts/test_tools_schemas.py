"""The page and the schemas that integrators read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.contracts.events import EVENTS
from tools import schemas


def test_the_files_in_the_repository_are_up_to_date() -> None:
    assert schemas.differences(schemas.DOCS) == [], "run python -m tools.schemas"


def test_every_event_has_a_schema_and_its_place_on_the_page() -> None:
    documents = schemas.documents()
    page = documents.pop("README.md")

    assert len(documents) == len(EVENTS)
    for event in EVENTS.values():
        schema = json.loads(documents[f"{event.__name__}.v1.schema.json"])
        assert schema["$id"] == event.DATASCHEMA == f"urn:peygir:events:{event.__name__}.v1"
        assert schema["title"] == event.__name__
        row = next(line for line in page.splitlines() if line.startswith(f"| [{event.__name__}]"))
        assert f"`{event.TYPE}`" in row
        assert all(field in row for field in schema["required"])
        assert f"\n## {event.__name__}\n" in page


def test_stale_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    for name, text in schemas.documents().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert schemas.differences(tmp_path) == []

    (tmp_path / "README.md").write_text("رویدادها", encoding="utf-8")
    (tmp_path / "SessionOpened.v1.schema.json").unlink()
    (tmp_path / "SessionOpened.v0.schema.json").write_text("{}", encoding="utf-8")

    assert schemas.differences(tmp_path) == [
        "README.md",
        "SessionOpened.v0.schema.json",
        "SessionOpened.v1.schema.json",
    ]


def test_writing_updates_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "events"
    monkeypatch.setattr(schemas, "DOCS", folder)
    schemas.main()
    (folder / "Left.v1.schema.json").write_text("{}", encoding="utf-8")

    schemas.main()

    assert schemas.differences(folder) == []

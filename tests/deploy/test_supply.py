"""What the image contains that others wrote: a bill of materials that says so, and an audit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.layout import PROJECT
from deploy.supply.audit import Finding, audit_of
from deploy.supply.locked import NotInstalled, packages
from deploy.supply.sbom import InvalidBom, document, validated
from tests.deploy.lock import pinned

_LOCK: Final = PROJECT / "requirements.txt"
_ELSEWHERE: Final = {"colorama", "pywin32", "win32-setctime"}  # pinned for Windows alone


@pytest.fixture(scope="module")
def bom() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(document(packages(_LOCK)))
    return made


def test_it_lists_what_is_pinned_for_the_image_and_nothing_else(bom: dict[str, Any]) -> None:
    listed = {component["name"]: component["version"] for component in bom["components"]}
    pins = {
        name: next(iter(pin.specifier)).version
        for name, pin in pinned("requirements.txt").items()
        if pin.marker is None or pin.marker.evaluate({"sys_platform": "linux"})
    }
    assert listed == {name: pins[name] for name in listed}
    assert pins.keys() - listed.keys() <= _ELSEWHERE
    assert {c["purl"] for c in bom["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in listed.items()
    }


def test_it_says_who_needs_whom(bom: dict[str, Any]) -> None:
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in bom["dependencies"]}
    assert "starlette" in needs["fastapi"]
    assert "fastapi" in needs["peygir"] or any("fastapi" in others for others in needs.values())
    assert set().union(*needs.values()) | {"peygir"} == needs.keys()


def test_it_names_no_host_no_file_and_no_time(bom: dict[str, Any]) -> None:
    schema = bom.pop("$schema")
    assert schema == "http://cyclonedx.org/schema/bom-1.6.schema.json"
    text = json.dumps(bom)
    assert not re.search(r"https?:|//|/home|/tmp|20\d\d-\d\d-\d\dT", text)
    bom["$schema"] = schema


def test_the_same_packages_have_the_same_bill() -> None:
    assert document(packages(_LOCK)) == document(reversed(packages(_LOCK)))


def test_a_document_that_follows_no_schema_is_refused(bom: dict[str, Any]) -> None:
    with pytest.raises(InvalidBom):
        validated(json.dumps({**bom, "components": [{"name": "no type"}]}))


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("no-such-package-of-peygir==1.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(NotInstalled, match="no-such-package-of-peygir is pinned"):
        packages(lock)


def test_an_audit_tells_known_from_unknown() -> None:
    vulnerable = {
        "name": "b",
        "version": "1.0",
        "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}],
    }
    report = {
        "dependencies": [
            {"name": "a", "version": "2.0", "vulns": []},
            vulnerable,
            {"name": "c", "skip_reason": "not found"},
        ]
    }
    found = audit_of(report)
    assert found.findings == (Finding("b", "1.0", "PYSEC-1", ("1.1",)),)
    assert (found.audited, found.unknown) == (2, ("c",))

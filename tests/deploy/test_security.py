"""Pods may do nothing that they need not, and nothing secret stands in a manifest."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Final

import pytest

from tests.deploy.manifests import Manifest, Rendered, containers, pod, title
from tests.deploy.restricted import violations

_CREDENTIALS: Final = re.compile(r"://[^/\s]*@|password|passwd|PRIVATE KEY", re.IGNORECASE)


def test_the_namespace_enforces_the_restricted_standard(rendered: Rendered) -> None:
    (namespace,) = rendered.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_pod_meets_the_restricted_standard(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        assert violations(pod(workload)["spec"]) == [], title(workload)


def test_no_pod_can_write_to_its_image_or_ask_the_cluster(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        spec = pod(workload)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for container in containers(workload):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_every_process_reads_its_secrets_where_the_settings_look(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (container,) = containers(deployment)
        (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == "/run/secrets"]
        assert mount["readOnly"] is True
        (volume,) = [v for v in pod(deployment)["spec"]["volumes"] if v["name"] == mount["name"]]
        assert volume["secret"]["secretName"] == "peygir-secrets"


def test_production_does_not_start_without_its_secrets(base: Rendered) -> None:
    for deployment in base.of("Deployment"):
        for volume in pod(deployment)["spec"]["volumes"]:
            assert not volume.get("secret", {}).get("optional", False)


def test_no_manifest_holds_a_secret(rendered: Rendered) -> None:
    assert rendered.of("Secret") == []
    assert _CREDENTIALS.findall(rendered.text) == []


@pytest.mark.parametrize(
    ("slip", "found"),
    [
        (lambda spec: spec.update(hostNetwork=True), "hostNetwork"),
        (lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "volume x"),
        (lambda spec: spec["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
        (lambda spec: spec["securityContext"].update(runAsUser=0), "runAsUser"),
        (lambda spec: spec["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda spec: _context(spec).pop("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
        (lambda spec: _context(spec).update(privileged=True), "privileged"),
        (lambda spec: _context(spec)["capabilities"].pop("drop"), "capabilities"),
        (lambda spec: _context(spec)["capabilities"].update(add=["NET_RAW"]), "capabilities"),
        (lambda spec: _context(spec).update(procMount="Unmasked"), "procMount"),
        (lambda spec: spec["containers"][0]["ports"][0].update(hostPort=8080), "hostPort"),
        (lambda spec: spec.update(initContainers=[{"name": "x"}]), "container x"),
    ],
)
def test_a_pod_that_does_more_is_told_of(
    base: Rendered, slip: Callable[[Manifest], object], found: str
) -> None:
    spec = copy.deepcopy(pod(base.one("Deployment", "notify"))["spec"])
    slip(spec)
    told = violations(spec)
    assert told
    assert all(found in violation for violation in told)


def _context(spec: Manifest) -> Manifest:
    context: Manifest = spec["containers"][0]["securityContext"]
    return context

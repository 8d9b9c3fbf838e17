"""Pods may do nothing that they need not, and nothing secret stands in a manifest."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from shared.contracts.reference import DEPUTIES
from shared.runtime.settings import PARTS
from tests.deploy.manifests import Manifest, Rendered, containers, module, pod, title
from tests.deploy.restricted import violations
from tools.access.workloads import workloads

_CREDENTIALS: Final = re.compile(
    r"://[^/\s]*@|PRIVATE KEY|(?:password|passwd)(?!_FILE\b)\s*[=:]\s*\S", re.IGNORECASE
)


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
        assert volume["secret"]["secretName"] == f"peygir-{deployment['metadata']['name']}"


def test_every_deployment_is_a_workload_with_a_secret_of_its_own(rendered: Rendered) -> None:
    deployments = rendered.of("Deployment")
    names = {deployment["metadata"]["name"] for deployment in deployments}
    assert names == {workload.name for workload in workloads(d.id for d in DEPUTIES)}
    mounted = Counter(
        volume["secret"]["secretName"]
        for deployment in deployments
        for volume in pod(deployment)["spec"]["volumes"]
        if "secret" in volume
    )
    assert mounted == {f"peygir-{name}": 1 for name in names}


def test_a_deployment_is_what_its_workload_says(rendered: Rendered) -> None:
    for workload in workloads(deputy.id for deputy in DEPUTIES):
        deployment = rendered.one("Deployment", workload.name)
        assert module(deployment) == f"services.{workload.service}"
        environment = rendered.environment(deployment)
        run = environment.get("PEYGIR_RUN", ",".join(PARTS))
        assert set(run.split(",")) == workload.run
        if workload.deputies:
            served = environment["PEYGIR_DEPUTIES"]
            known = environment["PEYGIR_KNOWN_DEPUTIES"] if served == "all" else served
            assert tuple(known.split(",")) == workload.deputies


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

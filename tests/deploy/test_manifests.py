"""What an operator applies is valid, whole, and does to a cluster what it should."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest

from shared.contracts.services import SERVICES
from shared.runtime.version import VERSION
from shared.service.lifecycle import DRAIN_SECONDS
from tests.deploy.manifests import (
    OVERLAYS,
    DoesNotRender,
    Manifest,
    Rendered,
    containers,
    module,
    pod,
    render,
    selects,
    title,
    titles,
)

_KUBERNETES: Final = "1.37"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KINDS: Final = {
    "ConfigMap", "Deployment", "Job", "Namespace", "NetworkPolicy", "PodDisruptionBudget",
    "Service", "ServiceAccount",
}  # fmt: skip


def test_there_are_overlays() -> None:
    assert "evaluation" in [overlay.name for overlay in OVERLAYS]


def test_every_object_is_valid_to_the_letter(rendered: Rendered) -> None:
    for manifest in rendered.objects:
        kubernetes_validate.validate(manifest, _KUBERNETES, strict=True)
        assert _NAME.fullmatch(manifest["metadata"]["name"]), title(manifest)


def test_a_slip_in_a_manifest_is_found(base: Rendered) -> None:
    deployment = base.of("Deployment")[0]
    slip = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(slip, _KUBERNETES, strict=True)


def test_a_folder_that_does_not_build_is_an_error(tmp_path: Any) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    with pytest.raises(DoesNotRender, match=r"nowhere\.yaml"):
        render(tmp_path)


def test_there_is_what_is_expected_and_nothing_twice(rendered: Rendered) -> None:
    assert {manifest["kind"] for manifest in rendered.objects} == _KINDS
    names = titles(rendered.objects)
    assert len(set(names)) == len(names)


def test_everything_stands_in_the_one_namespace(rendered: Rendered) -> None:
    (namespace,) = rendered.of("Namespace")
    others = [found for found in rendered.objects if found is not namespace]
    assert {found["metadata"]["namespace"] for found in others} == {namespace["metadata"]["name"]}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_deployed_and_reached_by_its_name(
    rendered: Rendered, service: str
) -> None:
    chosen = _chosen_by(rendered, rendered.one("Service", service))
    assert {module(deployment) for deployment in chosen} == {f"services.{service}"}
    assert "api" in rendered.environment(chosen[0]).get("PEYGIR_RUN", "api")
    account = rendered.one("ServiceAccount", service)
    assert account["automountServiceAccountToken"] is False
    assert rendered.one("ConfigMap", _settings_of(rendered, service))["data"]


def test_every_deployment_is_chosen_by_one_service(rendered: Rendered) -> None:
    chosen = [
        title(deployment)
        for service in rendered.of("Service")
        for deployment in _chosen_by(rendered, service)
    ]
    assert sorted(chosen) == sorted(titles(rendered.of("Deployment")))


def test_services_lead_to_a_port_that_is_there(rendered: Rendered) -> None:
    for service in rendered.of("Service"):
        for deployment in _chosen_by(rendered, service):
            there = {
                port["name"] for each in containers(deployment) for port in each.get("ports", ())
            }
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= there


def test_a_deployment_owns_its_pods_alone(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert [w for w in rendered.workloads() if selects(selector, w)] == [deployment]


def test_drains_of_nodes_take_one_pod_of_a_deployment_at_a_time(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (budget,) = [
            found
            for found in rendered.of("PodDisruptionBudget")
            if selects(found["spec"]["selector"]["matchLabels"], deployment)
        ]
        assert budget["spec"]["selector"] == deployment["spec"]["selector"]
        assert budget["spec"]["maxUnavailable"] == 1


def test_pods_of_a_deployment_spread_over_the_nodes(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (spread,) = pod(deployment)["spec"]["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        mine = spread["labelSelector"]["matchLabels"]
        assert [d for d in rendered.of("Deployment") if selects(mine, d)] == [deployment]


def test_every_deployment_is_probed_where_the_services_answer(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (container,) = containers(deployment)
        paths = {
            name: container[name]["httpGet"]["path"]
            for name in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        ready = "/readyz" if _is_worker(deployment) else "/readyz?exclude=kafka"
        assert paths == {
            "startupProbe": "/livez",
            "livenessProbe": "/livez",
            "readinessProbe": ready,
        }, title(deployment)
        assert {container[name]["httpGet"]["port"] for name in paths} == {"operations"}


def test_every_container_asks_for_what_it_uses_and_is_limited(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        for container in containers(workload):
            resources = container["resources"]
            assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}
            assert resources["requests"]["memory"] == "160Mi"
            assert resources["limits"]["memory"] == "512Mi"


def test_the_port_of_probes_scrapes_and_settings_is_the_same(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (container,) = containers(deployment)
        ports = {each["name"]: str(each["containerPort"]) for each in container["ports"]}
        environment = rendered.environment(deployment)
        assert ports == {
            "http": environment["PEYGIR_HTTP_PORT"],
            "operations": environment["PEYGIR_OPERATIONS_PORT"],
        }
        annotations = pod(deployment)["metadata"]["annotations"]
        assert annotations == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": ports["operations"],
            "prometheus.io/path": "/metrics",
        }


def test_a_stopping_pod_has_time_for_both_of_its_drains(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        (container,) = containers(deployment)
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = pod(deployment)["spec"]["terminationGracePeriodSeconds"]
        assert grace > before + 2 * DRAIN_SECONDS


def test_images_are_of_this_version(rendered: Rendered) -> None:
    images = {each["image"] for workload in rendered.workloads() for each in containers(workload)}
    assert images == {f"peygir:{VERSION}"}


def test_whatever_is_named_is_there(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        rendered.environment(workload)
        rendered.one("ServiceAccount", pod(workload)["spec"]["serviceAccountName"])


def test_whatever_runs_is_a_service_or_a_tool_of_ours(rendered: Rendered) -> None:
    assert {module(workload) for workload in rendered.workloads()} == {
        *(f"services.{service}" for service in SERVICES),
        "tools.topics",
    }
    assert find_spec("tools.topics")
    for service in SERVICES:
        assert find_spec(f"services.{service}.__main__")


def test_a_job_creates_the_topics_and_goes_away(rendered: Rendered) -> None:
    (job,) = rendered.of("Job")
    assert module(job) == "tools.topics"
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert pod(job)["spec"]["restartPolicy"] == "Never"


def test_every_pod_is_under_the_network_policies(rendered: Rendered) -> None:
    shut = rendered.one("NetworkPolicy", "peygir-nothing-else")["spec"]
    assert set(shut) == {"podSelector", "policyTypes"}
    assert shut["policyTypes"] == ["Ingress", "Egress"]
    for workload in rendered.workloads():
        assert selects(shut["podSelector"]["matchLabels"], workload)


def test_every_service_is_reached_over_http(rendered: Rendered) -> None:
    selector = rendered.one("NetworkPolicy", "peygir-http")["spec"]["podSelector"]
    (names,) = [e["values"] for e in selector["matchExpressions"]]
    assert sorted(names) == sorted(SERVICES)


def test_operators_routes_are_reached_only_from_where_the_label_is(rendered: Rendered) -> None:
    policies = {p["metadata"]["name"]: p["spec"] for p in rendered.of("NetworkPolicy")}
    open_to: dict[str, list[Any]] = {}
    for name, spec in policies.items():
        for rule in spec.get("ingress", ()):
            for port in rule["ports"]:
                open_to.setdefault(port["port"], []).append((name, rule["from"]))
    assert open_to.keys() == {"http", "operations"}
    ((name, allowed),) = open_to["operations"]
    assert policies[name]["podSelector"] == policies["peygir-http"]["podSelector"]
    label = {"matchLabels": {"peygir-operations": "allowed"}}
    assert allowed == [{"podSelector": label}, {"namespaceSelector": label}]


def test_evaluation_is_small(rendered: Rendered, base: Rendered) -> None:
    wanted = 2 if rendered.text == base.text else 1
    assert {d["spec"]["replicas"] for d in rendered.of("Deployment")} == {wanted}


def _is_worker(deployment: Manifest) -> bool:
    return "deputy" in deployment["metadata"]["labels"]


def _chosen_by(rendered: Rendered, service: Manifest) -> list[Manifest]:
    return [w for w in rendered.workloads() if selects(service["spec"]["selector"], w)]


def _settings_of(rendered: Rendered, service: str) -> str:
    (found,) = [
        found["metadata"]["name"]
        for found in rendered.of("ConfigMap")
        if found["metadata"]["name"].startswith(f"{service}-settings-")
    ]
    return str(found)

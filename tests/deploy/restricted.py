"""The Pod Security Standard "restricted" of Kubernetes, as far as Linux pods go.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.deploy.manifests import Manifest

_VOLUMES: Final = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
_PROFILES: Final = {"RuntimeDefault", "Localhost"}
_SELINUX: Final = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec: Manifest) -> list[str]:
    """What a pod's spec does that the standard forbids, or leaves out that it demands."""
    return [*_of_pod(spec), *_of_containers(spec)]


def _of_pod(spec: Manifest) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", ()):
        if set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}"
    context = spec.get("securityContext", {})
    if context.get("sysctls"):
        yield "sysctls"


def _of_containers(spec: Manifest) -> Iterator[str]:
    if spec.get("ephemeralContainers"):
        yield "ephemeralContainers"
    outer = spec.get("securityContext", {})
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        inner = container.get("securityContext", {})
        context = {**outer, **inner}
        for what, wrong in {
            "privileged": inner.get("privileged", False),
            "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation") is not False,
            "capabilities": not _drops_all(inner.get("capabilities", {})),
            "runAsNonRoot": context.get("runAsNonRoot") is not True,
            "runAsUser": context.get("runAsUser") == 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") not in _PROFILES,
            "appArmorProfile": context.get("appArmorProfile", {}).get("type") == "Unconfined",
            "seLinuxOptions": not _usual_selinux(context.get("seLinuxOptions", {})),
            "procMount": inner.get("procMount", "Default") != "Default",
            "hostPort": any(port.get("hostPort") for port in container.get("ports", ())),
            "hostProcess": context.get("windowsOptions", {}).get("hostProcess", False),
        }.items():
            if wrong:
                yield f"{what} of container {container['name']}"


def _drops_all(capabilities: Manifest) -> bool:
    added = set(capabilities.get("add", ()))
    return "ALL" in capabilities.get("drop", ()) and added <= {"NET_BIND_SERVICE"}


def _usual_selinux(options: Manifest) -> bool:
    own_person = options.get("user") or options.get("role")
    return not own_person and options.get("type", "") in _SELINUX

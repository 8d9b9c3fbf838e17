"""TLS that ends in the pods: a component that an overlay of a site may use."""

from __future__ import annotations

import os
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest

from tests.deploy.manifests import BASE, DEPLOY, Rendered, containers, pod, render, title

_KUBERNETES = "1.37"
_OVERLAY = "resources: [{base}]\ncomponents: [{component}]\n"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    overlay = tmp_path_factory.mktemp("overlay")
    component = DEPLOY / "components" / "http-tls"
    (overlay / "kustomization.yaml").write_text(
        _OVERLAY.format(base=_from(overlay, BASE), component=_from(overlay, component))
    )
    return render(overlay)


def _from(folder: Path, path: Path) -> str:
    return os.path.relpath(path, folder)


def test_every_process_gets_the_certificate_and_says_so(encrypted: Rendered) -> None:
    for deployment in encrypted.of("Deployment"):
        kubernetes_validate.validate(deployment, _KUBERNETES, strict=True)
        environment = encrypted.environment(deployment)
        assert environment["PEYGIR_HTTP_TLS"] == "here"
        (container,) = containers(deployment)
        mounts = {each["name"]: each for each in container["volumeMounts"]}
        (volume,) = [v for v in pod(deployment)["spec"]["volumes"] if v["name"] == "http-tls"]
        assert volume["secret"]["secretName"] == "peygir-http-tls"
        folder = mounts["http-tls"]["mountPath"]
        assert mounts["http-tls"]["readOnly"] is True
        assert environment["PEYGIR_HTTP_CERT_FILE"] == f"{folder}/tls.crt"
        assert environment["PEYGIR_HTTP_KEY_FILE"] == f"{folder}/tls.key"


def test_probes_and_scrapes_speak_tls(encrypted: Rendered, base: Rendered) -> None:
    for deployment in encrypted.of("Deployment"):
        (container,) = containers(deployment)
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[name]["httpGet"]["scheme"] == "HTTPS", title(deployment)
            assert container[name]["httpGet"]["path"].startswith(("/livez", "/readyz"))
        assert pod(deployment)["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    assert len(encrypted.of("Deployment")) == len(base.of("Deployment"))

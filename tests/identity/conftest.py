"""A real Keycloak with the realm that operators import, over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from deploy.local.keycloak import Certificate, Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from deploy.local.layout import Layout
from deploy.local.parts import start, wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Starter


@pytest.fixture(scope="session")
def certificate(test_folder: Path) -> Certificate:
    """A certificate for 127.0.0.1, of an authority that nobody else trusts."""
    folder = test_folder / "certificates"
    folder.mkdir()
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(made.chain), append=True)
    server.private_key_pem.write_to_path(str(made.key))
    authority.cert_pem.write_to_path(str(made.authority))
    return made


@pytest.fixture(scope="session")
def keycloak(test_folder: Path, local: Path, certificate: Certificate) -> Iterator[Keycloak]:
    """Keycloak, ready; gone after the tests."""
    reservation = reserve_ports()
    layout = Layout(test_folder / "identity", local / "cache", reservation.ports)
    layout.make_folders()
    part = Keycloak(layout, certificate)
    with Starter() as starter:
        process = start(part, layout, starter)
        try:
            wait_until_ready(part, process)
            yield part
        finally:
            process.kill()
            reservation.close()


@pytest.fixture(scope="session")
def admin(keycloak: Keycloak) -> Iterator[KeycloakAdmin]:
    with KeycloakAdmin(keycloak) as admin:
        yield admin


@pytest.fixture(scope="session")
def trust(certificate: Certificate) -> ssl.SSLContext:
    """TLS that knows the tests' authority."""
    return ssl.create_default_context(cafile=str(certificate.authority))


@pytest.fixture
def http(trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    with httpx.Client(verify=trust, timeout=60) as client:
        yield client

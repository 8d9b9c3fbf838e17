"""Every route and every kind of person on running services, with Keycloak's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest

from deploy.local.cluster import Cluster
from deploy.local.keycloak import AUDIENCE, Certificate, Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from shared.runtime.access import Who
from tests.access.policy.walk import narrowed, walk
from tests.access.policy.world import PEOPLE, running
from tests.identity.logins import KeptTokens

pytestmark = [pytest.mark.identity, pytest.mark.timeout(900)]

GROUPS: Final[Mapping[Who, str]] = {
    Who.COORDINATION: "/coordination",
    Who.MINISTER_OFFICE: "/minister-office",
    Who.DEPUTY: "/deputies/civil",
    Who.PROVINCE: "/provinces/IR-09",
    Who.ADVISER: "/advisers/civil-infrastructure",
    Who.AUDITOR: "/auditor",
    Who.OPERATOR: "/operator",
}
"""The groups that give people their roles; others are given theirs one by one, or have none."""


async def test_each_route_answers_each_kind_of_person_as_the_policy_says(
    cluster: Cluster,
    test_folder: Path,
    keycloak: Keycloak,
    admin: KeycloakAdmin,
    certificate: Certificate,
    http: httpx.Client,
) -> None:
    tokens = KeptTokens(keycloak, http)
    for who, (name, roles) in PEOPLE.items():
        if admin.has_person(name):  # of another test
            admin.remove_person(name)
        tokens.add(admin.add_person(name, [GROUPS[who]] if who in GROUPS else []))
        for role in roles if who not in GROUPS else ():
            admin.give_role(name, role)
    provider = {
        "PEYGIR_OIDC_ISSUER": keycloak.issuer,
        "PEYGIR_OIDC_AUDIENCE": AUDIENCE,
        "PEYGIR_OIDC_CA_FILE": str(certificate.authority),
    }

    def headers(who: Who) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {tokens.of(PEOPLE[who][0])}"}

    async with running(cluster, test_folder, provider, headers) as world:
        assert await narrowed(world) == []
        asked, breaches = await walk(world)
    assert breaches == []
    assert asked > 1_000
    print(f"{asked} requests were held to the policy")

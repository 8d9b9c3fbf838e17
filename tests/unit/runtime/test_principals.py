"""The vocabulary of roles."""

from __future__ import annotations

import pytest

from shared.runtime.principals import Principal, UnknownRole, every_role

DEPUTIES = ("civil", "coordination")
PROVINCES = ("IR-00", "IR-07")


def having(*roles: str) -> Principal:
    return Principal.with_roles("someone", roles, DEPUTIES, PROVINCES)


def test_a_deputy_answers_only_for_itself() -> None:
    civil = having("deputy:civil")
    assert civil.answers_for("civil")
    assert not civil.answers_for("coordination")
    assert not civil.is_coordination
    assert civil.deputies == {"civil"}


def test_a_province_speaks_only_for_itself() -> None:
    province = having("province:IR-07")
    assert province.speaks_for("IR-07")
    assert not province.speaks_for("IR-00")
    assert not province.deputies


def test_coordination_is_a_role_and_also_a_deputy() -> None:
    assert having("coordination").is_coordination
    assert not having("coordination").answers_for("coordination")
    assert not having("deputy:coordination").is_coordination


def test_the_other_roles() -> None:
    assert having("minister-office").is_minister_office
    assert having("operator").is_operator
    assert having("system").is_system
    nobody = having()
    roles = (
        nobody.is_coordination,
        nobody.is_minister_office,
        nobody.is_operator,
        nobody.is_system,
    )
    assert not any(roles)


def test_every_role_is_every_role() -> None:
    everybody = having(*every_role(DEPUTIES, PROVINCES))
    assert everybody.is_coordination
    assert everybody.is_minister_office
    assert everybody.is_operator
    assert everybody.is_system
    assert everybody.deputies == set(DEPUTIES)
    assert everybody.provinces == set(PROVINCES)


@pytest.mark.parametrize(
    "role",
    ["king", "", "deputy", "deputy:", "deputy:crisis", "province:IR-99", "Coordination", "civil"],
)
def test_the_refusal_of_an_unknown_role_names_it(role: str) -> None:
    with pytest.raises(UnknownRole) as refused:
        having("coordination", role)
    assert repr(role) in str(refused.value)
    assert "minister-office" in str(refused.value)

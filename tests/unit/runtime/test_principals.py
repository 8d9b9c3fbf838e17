"""The vocabulary of roles."""

from __future__ import annotations

import pytest

from shared.runtime.principals import Principal, Roles, UnknownRole

DEPUTIES = ("civil", "coordination")
INTEGRATORS = {"letters": frozenset({"civil"})}
EXISTING = Roles.of(DEPUTIES, INTEGRATORS)


def having(*roles: str) -> Principal:
    return Principal.with_roles("someone", roles, EXISTING)


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
    assert having("system").is_machine
    nobody = having()
    roles = (
        nobody.is_coordination,
        nobody.is_minister_office,
        nobody.is_operator,
        nobody.is_machine,
    )
    assert not any(roles)


def test_an_adviser_advises_on_an_axis_and_an_integrator_serves_its_deputies() -> None:
    assert having("adviser:economic").axes == {"economic"}
    assert having("integrator:letters").integrates == {"civil"}
    assert having("integrator:letters").is_machine
    assert having("integrator:unheard-of").integrates == frozenset()
    assert not having("integrator:letters").answers_for("civil")


def test_every_role_is_every_role() -> None:
    everybody = having(*EXISTING.every)
    assert everybody.is_coordination
    assert everybody.is_minister_office
    assert everybody.is_operator
    assert everybody.is_machine
    assert everybody.deputies == set(DEPUTIES)
    assert len(everybody.provinces) == 31
    assert len(everybody.axes) == 8


@pytest.mark.parametrize(
    "role",
    [
        "king",
        "",
        "deputy",
        "deputy:",
        "deputy:crisis",
        "province:IR-99",
        "adviser:weather",
        "integrator:",
        "integrator:A b",
        "Coordination",
        "civil",
    ],
)
def test_the_refusal_of_an_unknown_role_names_it(role: str) -> None:
    with pytest.raises(UnknownRole) as refused:
        having("coordination", role)
    assert repr(role) in str(refused.value)
    assert "minister-office" in str(refused.value)

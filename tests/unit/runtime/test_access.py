"""Each route names its action, the policy says who may take it, and nobody else gets through."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.runtime import problems
from shared.runtime.access import POLICY, Action, Reach, Who, reach
from shared.runtime.access.policy import kinds_of
from shared.runtime.http.access import ACTION_EXTENSION, RouteWithoutAction, may, require_actions
from shared.runtime.http.rates import NO_LIMITS, Rates
from shared.runtime.identity import Caller, OpenIdentity
from shared.runtime.principals import Principal, Roles, Substitution

EXISTING = Roles.of(integrators={"letters": frozenset({"civil"})})


def having(*roles: str) -> Principal:
    return Principal.with_roles("a.nouri", roles, EXISTING)


def app_of(router: APIRouter, *, nested: bool = False) -> FastAPI:
    app = FastAPI()
    app.state.authenticator = OpenIdentity()
    app.state.rates = Rates(NO_LIMITS)
    problems.install(app)
    outer = APIRouter()
    outer.include_router(router)
    app.include_router(outer if nested else router, prefix="/v1")
    return app


@pytest.mark.parametrize("nested", [False, True])
def test_a_route_without_an_action_does_not_start(nested: bool) -> None:
    router = APIRouter()

    @router.get("/secrets")
    async def secrets(_: Caller) -> dict[str, str]:
        return {}

    with pytest.raises(RouteWithoutAction, match="GET /v1/secrets names no action"):
        require_actions(app_of(router, nested=nested))


def test_a_route_with_two_actions_does_not_start() -> None:
    router = APIRouter()

    @router.post("/secrets", dependencies=[may(Action.READ_REPORTS)])
    async def secrets(_: Annotated[Principal, may(Action.SUBMIT_REPORT)]) -> dict[str, str]:
        return {}

    with pytest.raises(RouteWithoutAction, match="POST /v1/secrets names"):
        require_actions(app_of(router))


@pytest.mark.parametrize("nested", [False, True])
async def test_the_action_is_shown_and_held(nested: bool) -> None:
    router = APIRouter()

    @router.get("/pauses")
    async def pauses(by: Annotated[Principal, may(Action.READ_OPERATIONS)]) -> dict[str, str]:
        return {"by": by.id}

    app = app_of(router, nested=nested)
    require_actions(app)
    described = app.openapi()["paths"]["/v1/pauses"]["get"]
    assert described[ACTION_EXTENSION] == "operations.read"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p") as http:
        for roles, status in (
            ("operator", 200),
            ("auditor", 200),
            ("deputy:civil", 403),
            ("", 403),
        ):
            answer = await http.get("/v1/pauses", headers={"X-Peygir-Roles": roles})
            assert answer.status_code == status, roles


def test_every_action_has_a_rule_that_somebody_satisfies() -> None:
    assert set(POLICY) == set(Action)
    assert all(rule.on_all | rule.on_own for rule in POLICY.values())
    assert all(not rule.on_all & rule.on_own for rule in POLICY.values())


def test_what_is_ones_own() -> None:
    read = Action.READ_FOLLOWUPS
    assert reach(having("coordination"), read) == Reach(everything=True)
    assert reach(having("deputy:civil", "province:IR-09"), read) == Reach(
        deputies=frozenset({"civil"}), provinces=frozenset({"IR-09"}), person="a.nouri"
    )
    assert reach(having("adviser:crisis"), read).axes == {"crisis"}
    assert reach(having("integrator:letters"), read) == Reach(deputies=frozenset({"civil"}))
    assert reach(having(), read) == Reach(person="a.nouri")
    assert not reach(having("operator"), Action.READ_REPORTS)
    assert not reach(having(), Action.READ_SESSIONS)


def test_roles_of_other_kinds_add_nothing() -> None:
    """A deputy's right to what is the deputy's does not open what is a province's."""
    both = reach(having("deputy:civil", "province:IR-09"), Action.READ_EXPECTATIONS)
    assert both.everything, "a deputy sees what each province owes"
    submit = reach(having("deputy:civil", "province:IR-09"), Action.SUBMIT_REPORT)
    assert submit == Reach(provinces=frozenset({"IR-09"}))


def test_a_substitute_has_what_is_the_absent_deputys_and_no_right_to_declare() -> None:
    absent = {"civil": Substitution("A-1", date(2024, 1, 1))}
    by = having().with_absences(absent)
    assert reach(by, Action.READ_FOLLOWUPS) == Reach(
        deputies=frozenset({"civil"}), person="a.nouri"
    )
    assert reach(by, Action.DELEGATE_FOLLOWUP) == Reach(deputies=frozenset({"civil"}))
    assert not reach(by, Action.DECLARE_ABSENCE)
    assert not reach(by, Action.VERIFY_FOLLOWUP)
    assert not reach(by, Action.READ_RESOLUTIONS)
    assert kinds_of(having()) == {Who.OFFICER}
    other = having("deputy:crisis").with_absences(absent)
    assert reach(other, Action.WORK_ON_FOLLOWUP).deputies == {"civil", "crisis"}
    assert reach(other, Action.DECLARE_ABSENCE).deputies == {"crisis"}
    machine = having("integrator:letters").with_absences({"crisis": absent["civil"]})
    assert reach(machine, Action.READ_FOLLOWUPS) == Reach(deputies=frozenset({"civil"}))


def test_a_machine_is_nobodys_officer() -> None:
    assert Who.OFFICER in kinds_of(having("deputy:civil"))
    assert Who.OFFICER not in kinds_of(having("system"))
    assert Who.OFFICER not in kinds_of(having("integrator:letters", "deputy:civil"))

"""Each right is enough for what the code does, and needed by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from pymongo.errors import OperationFailure

from shared.contracts.reference import DEPUTIES
from shared.runtime import mongo
from shared.runtime.refused_rights import refused_right
from shared.runtime.simulation import SimulatedDomainClock
from tests.access.mongodb.deeds import Deed, World, deeds_of
from tests.access.mongodb.narrowing import without_right
from tests.access.mongodb.secured import Installation
from tests.stores.outbox import NOW
from tools.access.mongodb_rights import Grant, Role, role_of
from tools.access.workloads import Workload, workloads

pytestmark = pytest.mark.secured

_TRIED = ("scheduler", "reports", "notify", "followups-api", "followups-civil")
_WORKLOADS = {w.name: w for w in workloads(deputy.id for deputy in DEPUTIES) if w.name in _TRIED}


def _own(role: Role, workload: Workload) -> Sequence[Grant]:
    """The grants in the database in which the deeds are done; those in others are the same."""
    name = "followups_civil" if workload.service == "followups" else workload.service
    return [grant for grant in role.grants if grant.database.endswith(name)]


@asynccontextmanager
async def _world(installation: Installation, workload: Workload) -> AsyncIterator[World]:
    uri, space = installation.uri(installation.login(workload.name)), installation.namespace
    client = mongo.connect(uri, app="tests", wait_ms=10_000)
    names = [workload.service]
    if workload.service == "followups":
        others = [deputy for deputy in workload.deputies if deputy != "civil"]
        names = [f"followups_{deputy}" for deputy in ("civil", *others)]
    own, *more = [mongo.database(client, space + name) for name in names]
    with installation.as_administrator() as admin:
        yield World(own, more, admin)
    client.close()


async def _refusal(deeds: Sequence[Deed], world: World) -> str | None:
    """What is said of the first deed that MongoDB refuses; None if it takes all."""
    for deed in deeds:
        try:
            await deed(world)
        except OperationFailure as error:
            refused = refused_right(error)
            if refused is None:
                raise
            return refused
    return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _TRIED)
async def test_each_right_is_needed_and_all_are_enough(
    installation: Installation, name: str
) -> None:
    workload = _WORKLOADS[name]
    role = role_of(workload, installation.namespace)
    deeds = list(deeds_of(workload))
    needless: list[str] = []
    async with _world(installation, workload) as world:
        assert await _refusal(deeds, world) is None
        for grant in _own(role, workload):
            for action in sorted(grant.actions):
                place = f"{grant.database}.{grant.collection}"
                with without_right(world.admin, role, grant, action):
                    refused = await _refusal(deeds, world)
                if refused is None:
                    needless.append(f"{action} in {place}")
                else:
                    assert f" in {place} is missing" in refused, (action, refused)
        assert await _refusal(deeds, world) is None
    assert needless == []


async def test_a_simulated_clock_can_be_followed(installation: Installation) -> None:
    """In development alone: every process watches the collection of the clock."""
    done = installation.command("--only", "notify", PEYGIR_CLOCK="simulated")
    assert done.returncode == 0, done.stderr
    async with _world(installation, _WORKLOADS["notify"]) as world:
        clock = SimulatedDomainClock(world.database.client, installation.namespace)
        moves = clock.moves()
        await anext(moves)  # it watches
        world.admin[f"{installation.namespace}clock"]["clock"].update_one(
            {"_id": "time"}, {"$set": {"now": NOW}}, upsert=True
        )
        await anext(moves)
        assert await clock.now() == NOW
        with pytest.raises(OperationFailure):
            await clock.set(NOW)
        await moves.aclose()
    assert installation.command("--only", "notify").returncode == 0

"""Every route and every kind of person on running services, with tokens of the tests' provider."""

from __future__ import annotations

from tests.access.policy.walk import kinds_without_any_right, narrowed, walk
from tests.access.policy.world import World


async def test_each_route_answers_each_kind_of_person_as_the_policy_says(world: World) -> None:
    assert await narrowed(world) == []
    asked, breaches = await walk(world)
    assert breaches == []
    assert asked > 1_000
    print(f"{asked} requests were held to the policy")


def test_everybody_may_do_something() -> None:
    assert kinds_without_any_right() == set()

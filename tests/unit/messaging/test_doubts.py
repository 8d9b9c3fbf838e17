"""When a message is given up because of a doubtful failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.errors import InvalidOperation, OperationFailure
from structlog.testing import capture_logs

from shared.messaging.core.errors import AlreadyExists
from tests.unit.messaging.fakes import Bench
from tests.unit.messaging.fakes_kafka import record


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def test_a_collision_that_newer_data_does_not_show_is_the_messages_own() -> None:
    bench = Bench([record(0)])
    bench.hidden = {0}  # an id that another message has
    await bench.turn()
    assert len(bench.handled) == 6, "decided again each time"
    assert bench.letters == {0: "failed"}
    assert bench.stored == 1


async def test_collisions_prove_nothing_while_a_majority_lags() -> None:
    """The conflicting data is not visible yet, so each decision collides."""
    bench = Bench([record(0)])
    bench.hidden = {0}
    bench.client.lag = 400

    def later() -> None:
        if bench.client.lag == 0:
            bench.hidden = ()

    bench.clock.during = later
    await bench.turn()
    assert (bench.applied, bench.letters) == ([0], {})
    assert sum(bench.clock.slept) > 600, "however long that takes"


async def test_a_primary_that_lags_again_after_an_election_costs_no_message() -> None:
    bench = Bench([record(0)])
    bench.save_failures = [AlreadyExists("not seen yet")] * 5
    await bench.turn()
    assert (bench.applied, bench.letters) == ([0], {})


@pytest.mark.parametrize("code", [290, 14031, 13, 262, 6, 64])
async def test_a_stall_of_the_database_makes_no_dead_letter(code: int) -> None:
    bench = Bench([record(0)])
    bench.save_failures = [OperationFailure("answered by the server", code)] * 50
    await bench.turn()
    assert (bench.applied, bench.letters) == ([0], {})


@pytest.mark.parametrize(
    "error",
    [OperationFailure("nobody foresaw it", 5_678_901), InvalidOperation("the client is closed")],
    ids=repr,
)
async def test_an_unforeseen_error_of_the_database_is_retried_for_a_minute(
    error: Exception,
) -> None:
    bench = Bench([record(0), record(1)])
    bench.save_failures = [error] * 32
    await bench.turn()
    assert (bench.applied, bench.letters) == ([0, 1], {})
    assert 50 < sum(bench.clock.slept) < 60


async def test_after_a_minute_the_message_is_dead_lettered_and_the_others_apply() -> None:
    bench = Bench([record(n) for n in range(3)])
    handle = bench.consumer._handle

    async def handled(messages: object) -> object:
        if any(message.origin.offset == 1 for message in messages):  # type: ignore[attr-defined]
            raise OperationFailure("an assertion of the server's", 5_678_901)
        return await handle(messages)  # type: ignore[arg-type]

    bench.consumer._handle = handled  # type: ignore[assignment]
    await bench.turn()
    assert (bench.applied, bench.letters, bench.stored) == ([0, 2], {1: "failed"}, 3)
    assert 60 <= sum(bench.clock.slept) < 70


async def test_a_bug_of_ours_is_not_retried() -> None:
    bench = Bench([record(0)], {0})
    await bench.turn()
    assert (bench.letters, bench.clock.slept) == ({0: "failed"}, [])

"""Holds a history against the promise, law by law.

Laws speak of what can be seen, not of how it came about: a service may read, die and publish again
as it likes, as long as each `ce_id` is one event and every aggregate's versions are 1, 2, 3, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from tests.promise import asking, resting, telling
from tests.promise.history import History
from tests.promise.violations import Kind, Violation, by_kind

__all__ = ["LAWS", "Kind", "Violation", "by_kind", "check"]

Law: TypeAlias = Callable[[History], Iterator[Violation]]

LAWS: Final[tuple[Law, ...]] = (
    asking.what_kafka_acknowledged_is_there,
    asking.each_has_its_effect_once,
    asking.effects_come_in_the_order_of_offsets,
    asking.answers_come_true,
    telling.an_id_is_one_event,
    telling.a_key_has_one_partition,
    telling.versions_have_no_gap,
    telling.each_level_comes_once,
    resting.what_is_committed_is_published,
    resting.states_are_as_told,
    resting.the_api_shows_what_is_stored,
    resting.each_poison_is_a_dead_letter,
    resting.nothing_is_left_to_do,
    resting.figures_are_as_counted,
)


def check(history: History) -> list[Violation]:
    """Return everything that breaks a law, sorted; empty where the promise was kept."""
    return sorted({violation for law in LAWS for violation in law(history)})

"""Checks a history against the promise of delivery, law by law.

Laws are about what clients can see, not about how it happened: a service may read, die and publish
again at any time, as long as each `ce_id` is one event and the versions of every aggregate are
1, 2, 3, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from tests.promise import at_rest, published, requests
from tests.promise.history import History
from tests.promise.violations import Kind, Violation, by_kind

__all__ = ["LAWS", "Kind", "Violation", "by_kind", "check"]

Law: TypeAlias = Callable[[History], Iterator[Violation]]

LAWS: Final[tuple[Law, ...]] = (
    requests.what_kafka_acknowledged_is_there,
    requests.each_has_its_effect_once,
    requests.effects_come_in_the_order_of_offsets,
    requests.answers_come_true,
    published.an_id_is_one_event,
    published.a_key_has_one_partition,
    published.versions_have_no_gap,
    published.each_level_comes_once,
    at_rest.what_is_committed_is_published,
    at_rest.states_are_as_told,
    at_rest.the_api_shows_what_is_stored,
    at_rest.each_poison_is_a_dead_letter,
    at_rest.nothing_is_left_to_do,
    at_rest.figures_are_as_counted,
)


def check(history: History) -> list[Violation]:
    """Return all violations, sorted; empty if the promise was kept."""
    return sorted({violation for law in LAWS for violation in law(history)})

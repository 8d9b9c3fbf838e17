"""Which addresses are held back, why, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.backoff import LONGEST_WAIT_SECONDS
from services.notify.domain.circuit_breakers import CircuitBreakers
from services.notify.domain.notices import Trouble

ONE, TWO, THREE, OTHER = "one@a.example", "two@a.example", "three@a.example", "one@b.example"


def test_one_quick_failure_is_the_messages_own() -> None:
    patience = CircuitBreakers(10)
    for _ in range(4):
        assert patience.interrupted(ONE, "why", 0, 0.1) is Trouble.MESSAGE
        assert patience.held(ONE, 0) is None
    patience.interrupted(ONE, "why", 0, 0.1)
    assert patience.held(ONE, 0) == (Trouble.RECIPIENT, 10, "why")
    assert patience.held(TWO, 0) is None


def test_a_slow_failure_holds_its_recipient_back_and_two_of_them_their_domain() -> None:
    patience = CircuitBreakers(10)
    patience.interrupted(ONE, "why", 0, 30)
    assert patience.held(ONE, 9) == (Trouble.RECIPIENT, 10, "why")
    assert patience.held(ONE, 10) is None
    assert patience.interrupted(TWO, "why", 0, 30) is Trouble.DOMAIN
    assert patience.held(THREE, 0) == (Trouble.DOMAIN, 10, "why")
    assert patience.held(OTHER, 0) is None
    assert patience.interrupted(THREE, "why", 10, 30) is Trouble.DOMAIN, "the probe"
    assert patience.held(ONE, 29) == (Trouble.DOMAIN, 30, "why"), "twice as long"
    patience.answered(THREE)
    assert patience.held(THREE, 10) is None
    assert patience.held(TWO, 5) == (Trouble.RECIPIENT, 10, "why"), "his own trouble stays"


def test_a_quick_refusal_of_one_recipient_shows_that_the_domain_answers() -> None:
    patience = CircuitBreakers(10)
    patience.interrupted(ONE, "why", 0, 30)
    patience.interrupted(TWO, "why", 0, 30)
    assert patience.deferred(THREE, "why", 0, 0.1) is Trouble.RECIPIENT
    assert patience.held(THREE, 0) == (Trouble.RECIPIENT, 10, "why")
    assert patience.held("four@a.example", 0) is None


_EVENTS = st.tuples(
    st.sampled_from([ONE, TWO, THREE, OTHER]),
    st.sampled_from(["answered", "deferred", "interrupted"]),
    st.floats(0, 60),
)


@given(events=st.lists(_EVENTS, max_size=60), first=st.floats(0.01, 900))
def test_no_address_is_held_back_because_of_another_or_for_ever(
    events: list[tuple[str, str, float]], first: float
) -> None:
    patience, at = CircuitBreakers(first), 0.0
    failed: dict[str, set[str]] = {}  # by domain, since its last answer
    for address, what, took in events:
        at += took
        before = failed.setdefault(address.partition("@")[2], set())
        if what == "answered":
            patience.answered(address)
            before.clear()
            assert patience.held(address, at) is None
        elif what == "deferred":
            patience.deferred(address, "why", at, took)
            before.add(address)
        else:
            patience.interrupted(address, "why", at, took)
            before.add(address)
        for one in (ONE, TWO, THREE, OTHER):
            held = patience.held(one, at)
            if held is not None:
                trouble, until, _ = held
                assert at < until <= at + LONGEST_WAIT_SECONDS
                if trouble is Trouble.DOMAIN:
                    assert len(failed[one.partition("@")[2]]) >= 2

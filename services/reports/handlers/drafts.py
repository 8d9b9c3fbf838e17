"""An expectation on its way from one edition to a later one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.reports import events
from services.reports.domain.decisions import UnknownSession
from services.reports.domain.records import (
    Expectation,
    Expected,
    Fact,
    PublishedFact,
    evolve,
    expected,
)
from services.reports.handlers.ports import Change, HandlerContext
from shared.messaging.core.model import Event


@dataclass(slots=True)
class Draft:
    """An expectation while facts are folded into it."""

    before: Expectation | None
    context: HandlerContext
    orphan_outcomes: Sequence[Event] = ()  # what was taken in before the session was known
    after: Expectation | None = None
    events: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.after = self.before

    @property
    def changed(self) -> bool:
        return self.after is not self.before

    def add(self, fact: Fact, trace: str | None) -> None:
        if isinstance(fact, Expected):
            self.after = expected(fact)
            for event in self.orphan_outcomes:
                self.take_in(event)
            return
        self.after = evolve(self.existing(), fact)
        if isinstance(fact, PublishedFact):
            self.events += events.to_event(self.after, fact, self.context.addresses, trace)

    def take_in(self, event: Event) -> bool:
        """Apply what one of our own events tells, where it is the next one; whether it was."""
        before, rules = self.existing(), self.context
        restricted = event.topic == rules.addresses.restricted
        held = before.restricted_version if restricted else before.version
        fact = events.from_event(event, before, rules.addresses, rules.catalogues)
        if event.version != held + 1 or fact is None:
            return False
        self.after = evolve(before, fact)
        return True

    def existing(self) -> Expectation:
        if self.after is None:
            raise UnknownSession("no such session was announced here")
        return self.after

    def change(self) -> Change:
        return Change(self.before, self.existing(), self.events, self.inbox)


def changed(
    before: Expectation, facts: Iterable[Fact], context: HandlerContext, trace: str | None
) -> Change:
    """The change that these facts bring about."""
    draft = Draft(before, context)
    for fact in facts:
        draft.add(fact, trace)
    return draft.change()

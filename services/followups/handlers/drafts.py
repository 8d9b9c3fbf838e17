"""A follow-up while facts are applied to it, from its stored version to a later one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.followups import events
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Fact, Opened
from services.followups.domain.records import Followup
from services.followups.domain.refusals import UnknownResolution
from services.followups.handlers.ports import Change, HandlerContext
from shared.messaging.core.model import Event
from shared.runtime.principals import Principal


@dataclass(slots=True)
class Draft:
    """A follow-up while facts are applied to it."""

    before: Followup | None
    context: HandlerContext
    by: Principal | None = None  # None: an event or time
    after: Followup | None = None
    events: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    passed: list[Followup] = field(default_factory=list)
    waited_for: bool = False  # by messages that came before

    def __post_init__(self) -> None:
        self.after = self.before

    @property
    def changed(self) -> bool:
        return bool(self.events or self.inbox)

    def apply(self, fact: Fact) -> Followup:
        """Apply a fact; return the follow-up after it. Raises UnknownResolution."""
        if self.after is not None and self.after is not self.before:
            self.passed.append(self.after)
        self.after = opened(fact) if isinstance(fact, Opened) else evolve(self.existing(), fact)
        return self.after

    def add(self, fact: Fact, trace: str | None) -> None:
        """Apply a fact and add its event. Raises UnknownResolution."""
        after = self.apply(fact)
        absence = None if self.by is None else self.by.substitution(after.deputy)
        absence_id = None if absence is None else absence.absence_id
        self.events.append(events.to_event(after, fact, self.context.topic, trace, absence_id))

    def existing(self) -> Followup:
        """Return the follow-up as it is now. Raises UnknownResolution if it is not opened."""
        if self.after is None:
            raise UnknownResolution("no such resolution was approved here")
        return self.after

    def change(self) -> Change:
        """Return the whole step, to be saved."""
        after = self.existing()
        alert = self.context.escalation.next_alert(after)
        return Change(self.before, after, self.events, alert, self.inbox, self.passed)


def changed(
    before: Followup,
    facts: Iterable[Fact],
    context: HandlerContext,
    trace: str | None,
    by: Principal | None = None,
) -> Change:
    """Return the change that these facts, of somebody or of time, make to a follow-up."""
    draft = Draft(before, context, by)
    for fact in facts:
        draft.add(fact, trace)
    return draft.change()

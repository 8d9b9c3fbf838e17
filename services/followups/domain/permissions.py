"""Who may take a step, and in which states of the follow-up."""

from __future__ import annotations

from datetime import datetime

from services.followups.domain.records import Followup
from services.followups.domain.refusals import NotNow
from services.followups.domain.transitions import RULES, Actor, Transition
from shared.runtime.principals import COORDINATION, Principal
from shared.runtime.refusals import NotAllowed
from shared.runtime.sentences import OneOf, sentence


def require(followup: Followup, step: Transition, by: Principal, now: datetime) -> None:
    """Check that somebody may take a step, and that the state allows it.

    `now` is in UTC; it decides which delegations count. Raises NotAllowed before NotNow, so that
    somebody without the right does not learn the state.
    """
    rule = RULES[step]
    if not _may(rule.by, followup, by, now):
        raise NotAllowed(
            sentence("{by} may not {step}: that is for {who}", by=by.id, step=step, who=rule.by)
        )
    if followup.state not in rule.sources:
        raise NotNow(
            sentence(
                "the follow-up is {state}; this needs {wanted}",
                state=followup.state,
                wanted=OneOf(sorted(rule.sources)),
            )
        )


def acts_for_the_deputy(followup: Followup, by: Principal, now: datetime) -> bool:
    """Whether this is the deputy, the substitute, the officer, or the delegate at `now` (UTC)."""
    return _may(Actor.OFFICER, followup, by, now)


def speaks_for_body(by: Principal, body: str) -> bool:
    """Whether somebody speaks for a body: a deputy, given by id, or a province, given by code.

    The substitute of an absent deputy does.

    Nobody speaks for a body that is only a name; the deputy's people report its part.
    """
    return by.acts_as(body) or by.speaks_for(body)


def may_move(by: Principal) -> bool:
    """Whether somebody may move follow-ups to another deputy."""
    return by.is_minister_office or by.is_operator


def _may(actor: Actor, followup: Followup, by: Principal, now: datetime) -> bool:
    """Whether somebody is the actor that a step requires. Nobody decides about their own work."""
    of_coordination = followup.deputy == COORDINATION
    decides = by.is_minister_office if of_coordination else by.is_coordination
    deputy = by.acts_as(followup.deputy)
    delegate = followup.work.delegated_to(by.id, now) is not None
    helper = delegate or followup.work.officer == by.id
    province = followup.resolution.province
    concerned = province is not None and by.speaks_for(province)
    match actor:
        case Actor.DEPUTY:
            return deputy or delegate
        case Actor.HIMSELF:
            return deputy
        case Actor.OFFICER:
            return deputy or helper
        case Actor.DECIDER:
            return decides and not (deputy or helper)
        case Actor.VERIFIER:
            substitute = by.substitution(followup.deputy) is not None
            claimants = {followup.claimed_by, followup.claimed_for}
            independent = not (helper or substitute) and claimants.isdisjoint({by.id, *by.roles})
            return (decides or (concerned and not of_coordination)) and independent
        case Actor.BODY:
            speaks = (speaks_for_body(by, body) for body in followup.resolution.bodies)
            return deputy or helper or any(speaks)
        case Actor.CONCERNED:
            central = by.is_coordination or by.is_minister_office
            return deputy or helper or concerned or central
        case Actor.OFFICE:
            return may_move(by)
        case Actor.APPROVER | Actor.CLOCK:
            return False

"""What a body takes, its event takes: a body's field is of its event's type, or of a narrower one.

Asked of the classes themselves, so that whoever adds a body or a field has to say what tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pytest
from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo

import shared.contracts.events as told
from services.followups.api import absences, moving, schemas, work_schemas
from services.reports.api import schemas as reports
from services.scheduler.api import resolution_schemas
from services.scheduler.api import schemas as scheduler
from shared.contracts.events import Person
from shared.contracts.events.base import NullIsAbsent, Readable
from shared.runtime.http import RequestBody
from tests.unit.api.example_requests import SERVICES, opened
from tests.unit.api.odd_bodies import DAYS, OTHERS, TEXTS
from tests.unit.api.test_requests import named_in_bodies

Telling: TypeAlias = tuple[type[BaseModel], Mapping[str, str | None]]
"""The event that tells a body, and its fields of other names; None for what no event tells."""

TOLD: Final[Mapping[type[BaseModel], Telling]] = {
    scheduler.CreateSeason: (
        told.SessionScheduled,
        {"starts_on": None, "starts_at_time": None, "minutes": None},
    ),
    scheduler.Schedule: (told.SessionScheduled, {}),
    scheduler.Invited: (Person, {}),
    scheduler.Reschedule: (told.SessionRescheduled, {}),
    scheduler.Cancel: (told.SessionCancelled, {}),
    scheduler.Close: (told.SessionClosed, {}),
    resolution_schemas.Record: (told.ResolutionApproved, {"resolutions": None}),
    resolution_schemas.Propose: (told.ResolutionApproved, {}),
    resolution_schemas.Amend: (told.ResolutionAmended, {}),
    resolution_schemas.Withdraw: (told.ResolutionWithdrawn, {}),
    reports.IssueCircular: (told.CircularIssued, {}),
    reports.SubmitReport: (
        told.ReportSubmitted,
        {"answers": None, "initiatives": None, "special_topics": None},  # told by their number
    ),
    reports.SentParagraph: (told.InitiativeHighlighted, {"text": None}),
    schemas.Acknowledge: (told.FollowupAcknowledged, {}),
    schemas.Settle: (told.FollowupSettled, {}),
    schemas.ReportProgress: (told.FollowupProgressed, {}),
    schemas.Block: (told.FollowupBlocked, {}),
    schemas.Unblock: (told.FollowupUnblocked, {}),
    schemas.RequestExtension: (told.FollowupExtensionRequested, {"due_on": "requested_due_on"}),
    schemas.Extend: (told.FollowupExtended, {}),
    schemas.RefuseExtension: (told.FollowupExtensionRefused, {}),
    schemas.Complete: (told.FollowupCompleted, {}),
    schemas.Verify: (told.FollowupVerified, {}),
    schemas.Reopen: (told.FollowupReopened, {}),
    schemas.Close: (told.FollowupClosed, {}),
    schemas.AddLink: (told.FollowupEvidenceAdded, {"sha256": None}),  # told in lower case
    work_schemas.Assign: (told.FollowupAssigned, {}),
    work_schemas.Unassign: (told.FollowupAssigned, {}),
    work_schemas.Delegate: (told.FollowupDelegated, {}),
    work_schemas.EndDelegation: (told.FollowupDelegationEnded, {}),
    work_schemas.ReportPart: (told.FollowupPartReported, {}),
    work_schemas.AddItem: (told.FollowupItemAdded, {}),
    work_schemas.FinishItem: (told.FollowupItemDone, {}),
    work_schemas.DropItem: (told.FollowupItemDropped, {}),
    work_schemas.Link: (told.FollowupLinked, {}),
    work_schemas.Comment: (told.FollowupCommented, {}),
    absences.DeclareAbsence: (told.AbsenceDeclared, {}),
    absences.EndAbsence: (told.AbsenceEnded, {}),
    moving.Move: (
        told.FollowupMoved,
        {"to": "deputy", "resolution_ids": None, "after": None, "limit": None, "dry_run": None},
    ),
}


def pairs() -> Iterator[tuple[str, Any, Any]]:
    """Every field of a body with its event's: its name and both types."""
    for body, (event, others) in TOLD.items():
        ours, theirs = (get_type_hints(kind, include_extras=True) for kind in (body, event))
        for name in body.model_fields:
            there = others.get(name, name)
            if there is not None:
                assert there in event.model_fields, f"{body.__name__}.{name} is told by no field"
                yield (
                    f"{body.__module__}.{body.__name__}.{name}",
                    Annotated[ours[name], body.model_fields[name]],
                    Annotated[theirs[there], event.model_fields[there]],
                )


PAIRS: Final = [pytest.param(ours, theirs, id=name) for name, ours, theirs in pairs()]


@pytest.mark.parametrize("service", SERVICES)
async def test_it_is_said_of_every_body_what_tells_it(service: str) -> None:
    async with opened(service) as prepared:
        document = prepared.client.app.openapi()
    assert named_in_bodies(document) <= {body.__name__ for body in TOLD}


def test_no_body_is_left_out() -> None:
    def below(kind: type[RequestBody]) -> Iterator[type[RequestBody]]:
        for inner in kind.__subclasses__():
            yield from (inner, *below(inner))

    ours = {body for body in below(RequestBody) if body.__module__.startswith("services.")}
    assert ours <= set(TOLD)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_field_of_a_body_is_of_its_events_type_or_narrower(ours: Any, theirs: Any) -> None:
    assert is_narrower(ours, theirs), f"{ours} is not within {theirs}"


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_what_a_body_takes_its_event_takes(ours: Any, theirs: Any) -> None:
    """As FastAPI reads bodies: of Python's values, after the JSON was parsed."""
    body, event = TypeAdapter[Any](ours), TypeAdapter[Any](theirs)
    for odd in (*DAYS, *TEXTS, *OTHERS, ["x"], [""], ["IR-09"], "civil", "done", "IR-09", "visit"):
        try:
            taken = body.validate_python(odd)
        except ValidationError:
            continue
        if taken is not None:  # an event leaves out what is null
            assert event.validate_python(taken) == taken, odd


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (str, Annotated[str, StringConstraints(max_length=5)]),
        (
            Annotated[str, StringConstraints(max_length=6)],
            Annotated[str, StringConstraints(max_length=5)],
        ),
        (
            Annotated[str, StringConstraints(max_length=5)],
            Annotated[str, StringConstraints(pattern="a")],
        ),
        (int, str),
        (str, Literal["a"]),
        (Literal["a", "b"], Literal["a"]),
        (tuple[str, ...], tuple[Annotated[str, StringConstraints(max_length=5)], ...]),
        (Annotated[str, "x"], Annotated[str, "y"]),
        (Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]),
        (Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1, strict=True)]),
    ],
)
def test_a_wider_type_is_seen(ours: Any, theirs: Any) -> None:
    assert not is_narrower(ours, theirs)
    assert is_narrower(theirs, theirs)


def is_narrower(ours: Any, theirs: Any) -> bool:
    """Whether all that the one type takes the other takes too, as far as can be told by reading.

    That a field may be left out makes no difference.
    """
    (base, held), (wide, asked) = _parts(ours), _parts(theirs)
    if get_origin(wide) is Literal:
        return get_origin(base) is Literal and set(get_args(base)) <= set(get_args(wide))
    if get_origin(base) is Literal:
        base = type(get_args(base)[0])
    if get_origin(base) != get_origin(wide):
        return False
    if get_origin(wide) is None and not (isinstance(base, type) and issubclass(base, wide)):
        return False
    inner = zip(get_args(base), get_args(wide), strict=True)
    return all(_holds(held, one) for one in asked) and all(
        a is b or is_narrower(a, b) for a, b in inner
    )


def _parts(kind: Any) -> tuple[Any, list[Any]]:
    """A type without None and what is said about it, and what is said about it."""
    if get_origin(kind) is Annotated:
        base, *said = get_args(kind)
        inner, more = _parts(base)
        return inner, [*more, *said]
    if get_origin(kind) in {Union, UnionType}:
        (one,) = (part for part in get_args(kind) if part is not NoneType)
        return _parts(one)
    return kind, []


def _holds(held: list[Any], asked: Any) -> bool:
    """Whether what is said about one type holds whatever is asked of the other."""
    if isinstance(asked, NullIsAbsent | PlainSerializer):
        return True  # takes more, or takes nothing
    if any(one is asked or one == asked for one in held):
        return True
    if isinstance(asked, Readable):
        return any(isinstance(one, Readable) and _reads_less(one, asked) for one in held)
    if isinstance(asked, StringConstraints | FieldInfo):
        bounds: dict[str, Any] = {}
        for one in held:
            bounds |= _bounds(one)
        return all(_within(name, bounds.get(name), b) for name, b in _bounds(asked).items())
    return False


def _reads_less(one: Readable, other: Readable) -> bool:
    return (
        one.longest <= other.longest
        and one.lines == other.lines
        and one.may_be_blank <= other.may_be_blank
    )


_BOUNDS: Final = ("min_length", "max_length", "pattern", "ge", "gt", "le", "lt", "strict")


def _bounds(said: Any) -> dict[str, Any]:
    """The bounds that are said, by their names in pydantic."""
    every = said.metadata if isinstance(said, FieldInfo) else [said]
    found = ((name, getattr(one, name, None)) for one in every for name in _BOUNDS)
    return {name: bound for name, bound in found if bound is not None}


def _within(name: str, ours: Any, theirs: Any) -> bool:
    if ours is None or ours == theirs:
        return ours is not None
    if name in {"max_length", "le", "lt"}:
        return bool(ours < theirs)
    return name in {"min_length", "ge", "gt"} and bool(ours > theirs)

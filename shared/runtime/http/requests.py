"""Parts of requests that all services share: bodies, new ids, traces."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias
from unicodedata import category

from fastapi import Header
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from shared.contracts.envelope import traceparent_of
from shared.contracts.events.base import visible_id

_NOT_IN_EVENTS: Final = frozenset({"Cc", "Cn", "Cs"})
"""Unicode categories of characters that CloudEvents 1.0 forbids in `subject`."""


class RequestBody(BaseModel):
    """A body, or a part of one. An unknown field is refused with a 422 that names it: otherwise a
    misspelt one would be ignored, and the request answered as if it had been obeyed.
    """

    model_config = ConfigDict(extra="forbid")


def _addressable(id_: str) -> str:
    if "/" in id_ or id_ in {".", ".."}:
        raise PydanticCustomError("address", "must stand in an address: no slash, not dots alone")
    if any(category(character) in _NOT_IN_EVENTS for character in id_):
        raise PydanticCustomError("control", "must hold no control characters")
    return id_


NewId: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=190, pattern=r"^[^\s\x00-\x1f|]+$"),
    AfterValidator(visible_id),
    AfterValidator(_addressable),
]
"""An id that the sender chooses; shorter than an event's, so that ids can be made from it."""


Traceparent: TypeAlias = Annotated[
    str | None, Header(description="W3C Trace Context."), AfterValidator(traceparent_of)
]
"""The trace of a request, which its events continue; None if it is not valid."""

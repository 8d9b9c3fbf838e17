"""The types of texts in request bodies: those of the events' fields, under the API's names."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, HttpUrl, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from shared.contracts.events.base import Brief, BriefSaying, Name, Saying
from shared.contracts.events.followups import By
from shared.text import unseen

Body: TypeAlias = Name
"""The name of a person or a body."""

User: TypeAlias = Annotated[
    By, StringConstraints(max_length=200, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+$")
]
"""The id of a user, as in the requests of that user."""

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")]

_URL: Final[TypeAdapter[HttpUrl]] = TypeAdapter(HttpUrl)


def _address(url: str) -> str:
    """The text unchanged, so that people can compare it with theirs."""
    hidden = unseen(url)
    if hidden is not None:
        raise PydanticCustomError(
            "unseen", "must not hold {character}, which nobody sees", {"character": hidden}
        )
    try:
        _URL.validate_python(url)
    except ValidationError as error:
        raise PydanticCustomError("address", "must be an address, http or https") from error
    return url


Url: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\s\x00-\x1f\x7f]+$"),
    AfterValidator(_address),
]
"""An address, http or https."""

__all__ = ["Body", "Brief", "BriefSaying", "Saying", "Sha256", "Url", "User"]

"""How the texts are that people write to follow-ups, and how long."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, HttpUrl, StringConstraints, TypeAdapter

Note: TypeAlias = Annotated[str, StringConstraints(max_length=20_000)]
Saying: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)
]
"""A text that has to say something."""

Body: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)
]
"""The name of a person or a body."""

Brief: TypeAlias = Annotated[str, StringConstraints(max_length=2_000)]
BriefSaying: TypeAlias = Annotated[Brief, StringConstraints(min_length=1, strip_whitespace=True)]
"""A short text that has to say something."""

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")]

_URL: Final[TypeAdapter[HttpUrl]] = TypeAdapter(HttpUrl)


def _address(url: str) -> str:
    """The text as it was given: people compare it with what they have."""
    _URL.validate_python(url)
    return url


Url: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\s\x00-\x1f\x7f]+$"),
    AfterValidator(_address),
]
"""An address, http or https."""

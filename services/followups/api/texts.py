"""How long the texts are that people write to follow-ups."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import StringConstraints

Note: TypeAlias = Annotated[str, StringConstraints(max_length=20_000)]
Saying: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)
]
"""A text that has to say something."""

Body: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)
]
"""The name of a person or a body."""

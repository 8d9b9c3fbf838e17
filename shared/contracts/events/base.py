"""What all events have in common: the kinds of their fields, and how data is read and written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from shared.contracts.envelope import rfc3339
from shared.contracts.reference import PROVINCE_CODES


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _province(code: str) -> str:
    if code not in PROVINCE_CODES:
        raise PydanticCustomError("province", "is no province's ISO 3166-2:IR code")
    return code


Instant: TypeAlias = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""An instant with an offset; sent in UTC to the millisecond."""

Id: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f|]+$")
]
"""An id: no white space, no control characters, no vertical line."""

Slug: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Title: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_not_blank)
]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=20_000)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ProvinceCode: TypeAlias = Annotated[
    str, AfterValidator(_province), Field(json_schema_extra={"enum": sorted(PROVINCE_CODES)})
]


class Part(BaseModel):
    """A part of an event's data."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EventData(Part):
    """The data of one type of event. Fields that are not known are passed over."""

    TYPE: ClassVar[str]
    """Its `ce_type`."""

    DATASCHEMA: ClassVar[str]
    """Its `ce_dataschema`: a name, not an address, since sites run on closed networks."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.TYPE = f"peygir.{cls.__name__}.v1"
        cls.DATASCHEMA = f"urn:peygir:events:{cls.__name__}.v1"

    def to_json(self) -> bytes:
        """The data as a JSON document, without the fields that have no value."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read the data. Raises pydantic's ValidationError."""
        return cls.model_validate_json(data)


class Person(Part):
    """Somebody in a role."""

    role: Name
    id: Id
    name: Name | None = None

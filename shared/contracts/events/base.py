"""What all events have in common: the kinds of their fields, and how data is read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.contracts.envelope import RFC3339, rfc3339
from shared.contracts.reference import PROVINCE_CODES

LARGEST_NUMBER: Final = 2**53 - 1
"""Beyond it a number is not the same in every language that reads JSON (RFC 8259, section 6)."""

_YEARS: Final = range(1900, 2200)

AnyDate = TypeVar("AnyDate", bound=date)


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """How a date or a time is written in JSON: as text of this pattern and no other.

    Left alone, pydantic takes a number, or its digits in a text, for Unix time, and guesses
    whether it counts seconds or milliseconds.
    """

    pattern: str
    told: str
    read: CoreSchema
    published: Mapping[str, str]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern),
            custom_error_type="written",
            custom_error_message=self.told,
        )
        return core_schema.json_or_python_schema(
            core_schema.chain_schema([text, self.read]),
            core_schema.no_info_before_validator_function(self._as_written, self.read),
        )

    def _as_written(self, value: Any) -> Any:
        """Of Python's own values a text has to be written so too; parameters come that way."""
        if isinstance(value, str) and not re.search(self.pattern, value):
            raise PydanticCustomError("written", self.told)
        return value

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", **self.published}


@dataclass(frozen=True, slots=True)
class NullIsAbsent:
    """A field that has a default may also be null: many clients write what they leave out so."""

    default: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._filled, core_schema.nullable_schema(handler(source))
        )

    def _filled(self, value: Any) -> Any:
        return self.default if value is None else value


def _in_our_time(day: AnyDate) -> AnyDate:
    if day.year not in _YEARS:
        raise PydanticCustomError(
            "year", "must be a year of the Gregorian calendar from 1900 to 2199"
        )
    return day


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
    datetime,
    _Written(
        RFC3339,
        "must be an RFC 3339 time with an offset, such as 2024-03-11T09:00:00+03:30",
        core_schema.datetime_schema(tz_constraint="aware"),
        {"format": "date-time", "pattern": RFC3339.replace("^[0-9]{4}", "^(19|20|21)[0-9]{2}")},
    ),
    AfterValidator(_in_our_time),
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""An instant with an offset; sent in UTC to the millisecond."""

Day: TypeAlias = Annotated[
    date,
    _Written(
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "must be a day, such as 2024-03-11",
        core_schema.date_schema(),
        {"format": "date", "pattern": "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"},
    ),
    AfterValidator(_in_our_time),
]
"""A day of the Gregorian calendar in Asia/Tehran. Years beyond ours are mostly Jalali ones."""

Count: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_NUMBER, strict=True)]
Version: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST_NUMBER, strict=True)]

Id: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f|]+$")
]
"""An id: no white space, no control characters, no vertical line."""

Slug: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Title: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    AfterValidator(_not_blank),
    Field(json_schema_extra={"pattern": r"\S"}),
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

    _BLANK: ClassVar[Mapping[str, Any]]
    """Every field in its order, with its default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._BLANK = {name: field.get_default() for name, field in cls.model_fields.items()}
        cls.TYPE = f"peygir.{cls.__name__}.v1"
        cls.DATASCHEMA = f"urn:peygir:events:{cls.__name__}.v1"

    def to_json(self) -> bytes:
        """The data as a JSON document, without the fields that have no value."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Build the data from values that were validated before; no value is looked at.

        What `model_construct` does, at a fraction of its cost: this is on the way of every event.
        """
        data = cls.__new__(cls)
        content = dict(cls._BLANK)
        content.update(fields)
        object.__setattr__(data, "__dict__", content)
        object.__setattr__(data, "__pydantic_fields_set__", set(fields))
        object.__setattr__(data, "__pydantic_extra__", None)
        object.__setattr__(data, "__pydantic_private__", None)
        return data

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read the data. Raises pydantic's ValidationError."""
        return cls.model_validate_json(data)


class Person(Part):
    """Somebody in a role."""

    role: Name
    id: Id
    name: Name | None = None

"""What all events have in common: the types of their fields, and how data is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.contracts.days import (
    DAY_EXPECTED,
    INSTANT_EXPECTED,
    YEARS,
    Misread,
    instant_misread,
    read_day,
    year_out_of_range,
)
from shared.contracts.envelope import RFC3339, rfc3339
from shared.contracts.reference import PROVINCE_CODES
from shared.text import is_plain, normalise, normalise_line, shows, unseen

LARGEST_NUMBER: Final = 2**53 - 1
"""A larger number is not the same in every language that reads JSON (RFC 8259, section 6)."""

LONGEST_TITLE: Final = 500
LONGEST_NAME: Final = 200
LONGEST_FILE_NAME: Final = 255
LONGEST_TEXT: Final = 20_000
LONGEST_BRIEF: Final = 2_000
LONGEST_ID: Final = 200

_RECORDED: Final = {"recorded": True}


def _invalid(misread: Misread) -> PydanticCustomError:
    # Both use the same kind of template; only pydantic's type asks for a literal.
    return PydanticCustomError(misread.kind, misread.template, dict(misread.context))


class _Day:
    """A day is a text of one form, or a `date` object.

    By itself, pydantic would take a number, or a text of digits, for Unix time, and guess whether
    it counts seconds or milliseconds.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, core_schema.date_schema())

    def _read(self, value: Any) -> date:
        if isinstance(value, str):
            try:
                return read_day(value)
            except Misread as misread:
                raise _invalid(misread) from None
        if type(value) is date:
            return read_day(value.isoformat())
        raise PydanticCustomError("written", DAY_EXPECTED)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
        return {"type": "string", "format": "date", "pattern": pattern}


class _Instant:
    """An instant is a text of RFC 3339, or an aware `datetime` object."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.str_schema(pattern=RFC3339)
        instant = core_schema.datetime_schema(tz_constraint="aware")
        return core_schema.no_info_wrap_validator_function(
            self._read, core_schema.chain_schema([text, instant])
        )

    def _read(self, value: Any, handler: ValidatorFunctionWrapHandler) -> datetime:
        if isinstance(value, str):
            try:
                instant: datetime = handler(value)
            except ValidationError:
                raise _invalid(instant_misread(value)) from None
        elif isinstance(value, datetime) and value.utcoffset() is not None:
            instant = value
        else:
            raise PydanticCustomError("written", INSTANT_EXPECTED)
        if instant.year not in YEARS:
            text = value if isinstance(value, str) else instant.isoformat()
            raise _invalid(instant_misread(text))
        in_utc = instant.astimezone(UTC)
        if in_utc.year not in YEARS:  # once sent, it could not be read again
            raise _invalid(year_out_of_range())
        return in_utc

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        pattern = RFC3339.replace("^[0-9]{4}", "^(19|20|21)[0-9]{2}")
        return {"type": "string", "format": "date-time", "pattern": pattern}


@dataclass(frozen=True, slots=True)
class Readable:
    """A text for people, cleaned by the rules of `shared.text`.

    It is cleaned rather than refused, always in the same way, so that a duplicate stays one. Only a
    text that shows nothing is refused. A recorded text stays as it was recorded.
    """

    longest: int
    lines: bool = False
    may_be_blank: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._read, handler(source))

    def _read(self, text: str, info: ValidationInfo) -> str:
        if is_plain(text) or info.context is _RECORDED:
            return text
        cleaned = normalise(text) if self.lines else normalise_line(text)
        if not shows(cleaned):
            if not self.may_be_blank:
                raise PydanticCustomError("blank", "must not be blank")
            return ""
        if len(cleaned) > self.longest:  # NFC turns some characters into several
            longest = {"max_length": self.longest}
            raise PydanticCustomError(
                "string_too_long", "String should have at most {max_length} characters", longest
            )
        return cleaned


@dataclass(frozen=True, slots=True)
class NullIsAbsent:
    """A field with a default may also be null: many clients send null for what they leave out."""

    default: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._filled, core_schema.nullable_schema(handler(source))
        )

    def _filled(self, value: Any) -> Any:
        return self.default if value is None else value


def visible_id(id_: str, info: ValidationInfo) -> str:
    """An id that shows something and has no invisible characters. Raises PydanticCustomError."""
    if (id_.isascii() and id_.isprintable()) or info.context is _RECORDED:
        return id_
    hidden = unseen(id_)
    if hidden is not None:
        raise PydanticCustomError(
            "unseen", "must not hold {character}, which nobody sees", {"character": hidden}
        )
    if not shows(id_):
        raise PydanticCustomError("blank", "must not be blank")
    return id_


def _province(code: str) -> str:
    if code not in PROVINCE_CODES:
        raise PydanticCustomError("province", "is no province's ISO 3166-2:IR code")
    return code


Instant: TypeAlias = Annotated[
    datetime,
    _Instant(),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""An instant with an offset; sent in UTC to the millisecond."""

Day: TypeAlias = Annotated[date, _Day()]
"""A day of the Gregorian calendar in Asia/Tehran. Years out of range are mostly Jalali ones."""

Count: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_NUMBER, strict=True)]
Version: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST_NUMBER, strict=True)]

Id: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\s\x00-\x1f|]+$"),
    AfterValidator(visible_id),
]
"""An id: no white space, no control characters, no vertical line, no invisible characters."""

Slug: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Title: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_TITLE),
    Readable(LONGEST_TITLE),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_NAME), Readable(LONGEST_NAME)
]
"""The name of a person, a body, a place."""

FileName: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_FILE_NAME), Readable(LONGEST_FILE_NAME)
]
Text: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=LONGEST_TEXT),
    Readable(LONGEST_TEXT, lines=True, may_be_blank=True),
]
"""A text of several lines; one that shows nothing becomes empty."""

Brief: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=LONGEST_BRIEF),
    Readable(LONGEST_BRIEF, lines=True, may_be_blank=True),
]
"""A short text of several lines; one that shows nothing becomes empty."""

Saying: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_TEXT),
    Readable(LONGEST_TEXT, lines=True),
]
"""A text of several lines that has to show something."""

BriefSaying: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_BRIEF),
    Readable(LONGEST_BRIEF, lines=True),
]
"""A short text of several lines that has to show something."""

ProvinceCode: TypeAlias = Annotated[
    str, AfterValidator(_province), Field(json_schema_extra={"enum": sorted(PROVINCE_CODES)})
]


class Part(BaseModel):
    """A part of an event's data.

    One that is built field by field holds texts that were accepted before: they stay as they are.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    if not TYPE_CHECKING:  # a type checker reads the arguments from the fields

        def __init__(self, /, **fields: Any) -> None:
            self.__pydantic_validator__.validate_python(
                fields, self_instance=self, context=_RECORDED
            )

        # Pydantic marks its own constructor so: then reading JSON does not call this one.
        __init__.__pydantic_base_init__ = True


class EventData(Part):
    """The data of one type of event. Unknown fields are ignored."""

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
        """Build the data from values that were validated before; none is checked again.

        The same as `model_construct` at a fraction of its cost, which counts for every event.
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
        """Read data that was accepted before, from the service's own database or topic.

        Its texts stay as they were recorded; `parse` reads and cleans data from other systems.
        Raises pydantic's ValidationError.
        """
        return cls.model_validate_json(data, context=_RECORDED)


class Person(Part):
    """Somebody in a role."""

    role: Name
    id: Id
    name: Name | None = None

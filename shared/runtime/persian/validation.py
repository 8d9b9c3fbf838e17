"""Persian for what is wrong with a value, by the type of pydantic's error and its context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREFIX: Final = "pydantic:"
ANY: Final = f"{PREFIX}any"
"""The text for an error of any other type."""

_WHOLE: Final = "باید عددی صحیح باشد"
_TEXT: Final = "باید متن باشد"
_LIST: Final = "باید فهرست باشد"
_OBJECT: Final = "باید مجموعه‌ای از نام‌ها و مقدارها باشد"
_DAY: Final = "باید تاریخی میلادی به این شکل باشد: \u20682024-03-11\u2069"
_INSTANT: Final = "باید زمانی با اختلاف ساعت باشد، مانند \u20682024-03-11T09:00:00+03:30\u2069"
_TIME: Final = "باید ساعت و دقیقه باشد، مانند \u206809:00\u2069"
_ADDRESS: Final = "نشانی اینترنتی نیست؛ مانند \u2068https://example.ir/\u2069"
_NOT_TAKEN: Final = "پذیرفته نیست"
_NUMBER: Final = "باید عدد باشد"

_BY_TYPE: Final[Mapping[str, str]] = {
    "any": _NOT_TAKEN,
    # presence
    "missing": "نیامده است",
    "extra_forbidden": "فیلدی به این نام نیست",
    "none_required": "باید خالی (\u2068null\u2069) باشد",
    "missing_argument": "نیامده است",
    "missing_keyword_only_argument": "نیامده است",
    "missing_positional_only_argument": "نیامده است",
    "unexpected_keyword_argument": "فیلدی به این نام نیست",
    "unexpected_positional_argument": "اضافه است",
    "multiple_argument_values": "بیش از یک بار آمده است",
    "frozen_field": "تغییر نمی‌کند",
    "frozen_instance": "تغییر نمی‌کند",
    # kinds
    "json_invalid": "قابل خواندن نیست",
    "json_type": _TEXT,
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": "متنی است که نویسه‌های آن خواندنی نیست",
    "string_not_ascii": "تنها حروف و ارقام لاتین می‌پذیرد",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "عددی بیش از اندازه بزرگ است",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "باید عددی متناهی باشد",
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "حداکثر {max_digits} رقم می‌پذیرد",
    "decimal_max_places": "حداکثر {decimal_places} رقم اعشار می‌پذیرد",
    "decimal_whole_digits": "حداکثر {whole_digits} رقم صحیح می‌پذیرد",
    "fraction_type": _NUMBER,
    "fraction_parsing": _NUMBER,
    "complex_type": _NUMBER,
    "complex_str_parsing": _NUMBER,
    "bool_type": "باید \u2068true\u2069 یا \u2068false\u2069 باشد",
    "bool_parsing": "باید \u2068true\u2069 یا \u2068false\u2069 باشد",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "deque_type": _LIST,
    "iterable_type": _LIST,
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "frozen_dict_type": _OBJECT,
    "ordered_dict_type": _OBJECT,
    "counter_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "dataclass_exact_type": _OBJECT,
    "named_tuple_type": _OBJECT,
    "invalid_key": "نام‌های آن باید متن باشند",
    "arguments_type": _OBJECT,
    # choices
    "literal_error": "یکی از این‌ها نیست: {expected}",
    "enum": "یکی از این‌ها نیست: {expected}",
    "union_tag_invalid": "یکی از این‌ها نیست: {expected_tags}",
    "union_tag_not_found": "گونهٔ آن گفته نشده است",
    # sizes
    "greater_than": "باید بزرگ‌تر از {gt} باشد",
    "greater_than_equal": "باید دست‌کم {ge} باشد",
    "less_than": "باید کوچک‌تر از {lt} باشد",
    "less_than_equal": "باید حداکثر {le} باشد",
    "multiple_of": "باید مضربی از {multiple_of} باشد",
    "string_too_short": "باید دست‌کم {min_length} نویسه داشته باشد",
    "string_too_long": "حداکثر {max_length} نویسه می‌پذیرد",
    "bytes_too_short": "باید دست‌کم {min_length} بایت داشته باشد",
    "bytes_too_long": "حداکثر {max_length} بایت می‌پذیرد",
    "too_short": "باید دست‌کم {min_length} عضو داشته باشد",
    "too_long": "حداکثر {max_length} عضو می‌پذیرد",
    "string_pattern_mismatch": "به این الگو نیست: {pattern}",
    # days and times
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "date_past": "باید در گذشته باشد",
    "date_future": "باید در آینده باشد",
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_past": "باید در گذشته باشد",
    "datetime_future": "باید در آینده باشد",
    "timezone_aware": _INSTANT,
    "timezone_naive": "باید بدون اختلاف ساعت باشد",
    "timezone_offset": _INSTANT,
    "time_type": _TIME,
    "time_parsing": _TIME,
    "time_delta_type": "باید مدتی از زمان باشد",
    "time_delta_parsing": "باید مدتی از زمان باشد",
    # addresses
    "url_type": _ADDRESS,
    "url_parsing": _ADDRESS,
    "url_syntax_violation": _ADDRESS,
    "url_too_long": "حداکثر {max_length} نویسه می‌پذیرد",
    "url_scheme": "باید نشانی‌ای از این گونه باشد: {expected_schemes}",
    "uuid_type": "شناسهٔ یکتا (\u2068UUID\u2069) نیست",
    "uuid_parsing": "شناسهٔ یکتا (\u2068UUID\u2069) نیست",
    "uuid_version": "شناسهٔ یکتا (\u2068UUID\u2069) از گونهٔ خواسته‌شده نیست",
    # validators
    "value_error": _NOT_TAKEN,
    "assertion_error": _NOT_TAKEN,
    # types of this project
    "written": "به شکل خواسته‌شده نوشته نشده است",
    "written(example)": "باید متنی به این شکل باشد: {example}",
    "day": _DAY,
    "year": "سال آن بیرون از سال‌هایی است که پذیرفته می‌شود؛ سال باید میلادی باشد",
    "year(first,last)": "سال آن باید میلادی و از {first} تا {last} باشد",
    "blank": "نباید خالی باشد",
    "unseen": "نباید نویسهٔ نادیدنی داشته باشد",
    "unseen(character)": "نباید نویسهٔ نادیدنی {character} داشته باشد",
    "no_word": "باید دست‌کم یک حرف یا رقم داشته باشد",
    "bound": "باید روزی میلادی باشد، یا زمانی با اختلاف ساعت",
    "province": "کد هیچ استانی نیست؛ کدها از \u2068IR-00\u2069 تا \u2068IR-30\u2069 است",
    "address": "باید در نشانی جا بگیرد: بی خط مورب، و نه تنها نقطه",
    "control": "نباید نویسهٔ کنترلی داشته باشد",
    "refused": _NOT_TAKEN,
    "levels": _NOT_TAKEN,
    "no_day": "در تقویم چنین روزی نیست",
    "no_day(given)": "در تقویم چنین روزی نیست: {given}",
    "no_jalali_day": "در تقویم شمسی چنین روزی نیست",
    "no_jalali_day(days,given,month,year)": "{given} در تقویم شمسی نیست: {month} {year} "
    "{days} روز دارد",
    "jalali_day": "تاریخ باید میلادی نوشته شود",
    "jalali_day(day,given)": "{given} به تقویم شمسی است؛ میلادی آن {day} است",
    "day_written": _DAY,
    "day_written(day,given)": "{given} باید چنین نوشته شود: {day}",
    "jalali_instant": "زمان باید میلادی نوشته شود",
    "jalali_instant(given,meant)": "{given} به تقویم شمسی است؛ میلادی آن {meant} است",
    "instant_written": _INSTANT,
    "instant_written(given,meant)": "{given} باید چنین نوشته شود: {meant}",
    "day_alone": _INSTANT,
    "day_alone(example,given)": "{given} روزی است بی ساعت؛ ساعت نه در تهران چنین است: {example}",
    "jalali_day_alone": _INSTANT,
    "jalali_day_alone(example,given)": "{given} روزی شمسی است بی ساعت؛ ساعت نه آن در تهران چنین "
    "است: {example}",
    "no_offset": "اختلاف ساعت آن گفته نشده است",
    "no_offset(given,meant)": "{given} اختلاف ساعت ندارد؛ به وقت تهران {meant} است",
}

VALIDATION: Final[Mapping[str, str]] = {PREFIX + type_: text for type_, text in _BY_TYPE.items()}
"""By `pydantic:<type>`; if the text needs a context, its names follow in parentheses."""

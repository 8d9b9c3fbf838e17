"""The Persian texts of what this service refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.runtime.persian import Catalogue

_SENTENCES: Final[Mapping[str, str]] = {
    "{by} is not of coordination, which keeps the calendar": "{by} از هماهنگی نیست که تقویم "
    "نشست‌ها با آن است",
    "{by} is neither of coordination nor of the Minister's office": "{by} نه از هماهنگی است و نه "
    "از دفتر وزیر",
    "the session is {state}; this needs {wanted}": "نشست در وضعیت «{state}» است؛ این کار در این "
    "وضعیت شدنی است: {wanted}",
    "the resolution is {state}": "مصوبه در وضعیت «{state}» است",
    "{id} is known with other data": "{id} با داده‌های دیگری ثبت شده است",
    "there is a season {season}": "فصل {season} ثبت شده است",
    "there is a session {session_id}": "نشست {session_id} ثبت شده است",
    "{province} has its session in season {season} already": "{province} نشست خود را در فصل "
    "{season} دارد",
    "no session {session_id}": "نشست {session_id} نیست",
    "no resolution {resolution_id}": "مصوبهٔ {resolution_id} نیست",
    "no season {season}": "فصل {season} نیست",
    "not after starts_at": "پس از آغاز نیست",
    "names one twice": "یکی را دو بار نام می‌برد",
    "named twice": "دو بار آمده است",
    "missing": "نیامده است",
    "unknown": "ناشناخته",
    "a provincial session is of exactly one": "نشست استانی از یک استان است، نه بیشتر و نه کمتر",
    "{deputy} is no deputy; known: {known}": "{deputy} معاونتی نیست؛ معاونت‌ها: {known}",
    "{axis} is no axis; known: {known}": "{axis} محوری نیست؛ محورها: {known}",
    "before the approval on {day}": "پیش از روز تصویب است: {day}",
    "before the approval": "پیش از تصویب است",
    "each exactly once; {wrong}": "هر یک درست یک بار؛ {wrong}",
    "{what}: {codes}": "{what}: {codes}",
    "{parts}": "{parts}",
    "the week of {saturday} has no working day": "هفته‌ای که {saturday} آغاز می‌شود روز کاری ندارد",
    "differs from `provinces`, which is the same": "با «استان‌ها» یکی نیست، که همان است",
}

_STATES: Final[Mapping[str, str]] = {
    "scheduled": "برنامه‌ریزی‌شده",
    "opened": "آغازشده",
    "closed": "پایان‌یافته",
    "cancelled": "لغوشده",
    "approved": "مصوب",
    "amended": "اصلاح‌شده",
    "withdrawn": "پس‌گرفته‌شده",
}

CATALOGUE: Final = Catalogue(_SENTENCES, _STATES)

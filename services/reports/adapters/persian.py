"""The Persian texts of what this service refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.runtime.persian import Catalogue

_SENTENCES: Final[Mapping[str, str]] = {
    "{id} is known with other data": "{id} با داده‌های دیگری ثبت شده است",
    "no report is expected for {session_id}": "برای نشست {session_id} گزارشی چشم‌داشته نیست",
    "the session is of {province}": "نشست از {province} است",
    "{by} does not speak for {body}": "{by} نمایندهٔ {body} نیست",
    "{by} is not of coordination": "{by} از هماهنگی نیست",
    "the session is cancelled": "نشست لغو شده است",
    "there is no report yet": "هنوز گزارشی نیست",
    "revision {revision}: its texts were lost with a database; the province has to send it again": (
        "بازنگری {revision}: متن‌های آن با پایگاه داده از دست رفت؛ استان باید دوباره بفرستد"
    ),
    "revision {revision}: its texts were erased": "بازنگری {revision}: متن‌های آن پاک شده است",
    "revision {revision} was distributed already": "بازنگری {revision} پیش‌تر توزیع شده است",
    "there is no version {version}; known: {known}": "نسخهٔ {version} نیست؛ نسخه‌ها: {known}",
    "no axis of the catalogue; its axes: {axes}": "محوری از این فهرست نیست؛ محورهای آن: {axes}",
    "no sub-axis of {axis}; its sub-axes: {sub_axes}": "زیرمحور «{axis}» نیست؛ زیرمحورهای آن: "
    "{sub_axes}",
    "no session {session_id} was announced here": "نشست {session_id} اینجا اعلام نشده است",
    "no catalogue {version}": "فهرست محورهای نسخهٔ {version} نیست",
    "no circular {circular_id}": "ابلاغیهٔ {circular_id} نیست",
    "no report {report_id}": "گزارش {report_id} نیست",
}

CATALOGUE: Final = Catalogue(_SENTENCES)

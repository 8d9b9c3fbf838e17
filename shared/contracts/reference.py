"""The domain's default data: deputies (a setting can change them), axes, provinces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deputy:
    """A deputy minister."""

    id: str
    title_fa: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One of the eight axes of a report, and the deputy who answers for it."""

    id: str
    title_fa: str
    title_en: str
    deputy: str


@dataclass(frozen=True, slots=True)
class Province:
    """A province by its ISO 3166-2:IR code."""

    code: str
    name_fa: str
    name_en: str


COORDINATION = "coordination"

DEPUTIES: tuple[Deputy, ...] = (
    Deputy("management", "معاونت توسعه مدیریت و منابع", "Management"),
    Deputy("political", "معاونت سیاسی", "Political"),
    Deputy("security", "معاونت امنیتی و انتظامی", "Security"),
    Deputy("social", "معاونت اجتماعی و فرهنگی", "Social"),
    Deputy("civil", "معاونت عمرانی", "Civil"),
    Deputy("municipalities", "سازمان شهرداری‌ها و دهیاری‌ها", "Municipalities"),
    Deputy("economic", "معاونت اقتصادی", "Economic"),
    Deputy("crisis", "سازمان مدیریت بحران", "Crisis"),
    Deputy(COORDINATION, "معاونت هماهنگی امور استان‌ها", "Coordination of provincial affairs"),
)

AXES: tuple[Axis, ...] = (
    Axis("general-management", "مدیریت عمومی", "General management", "management"),
    Axis("political", "مدیریت سیاسی", "Political management", "political"),
    Axis("security", "مدیریت امنیتی", "Security management", "security"),
    Axis("social", "مدیریت اجتماعی", "Social management", "social"),
    Axis(
        "civil-infrastructure",
        "مدیریت عمرانی و وضعیت زیرساخت‌ها",
        "Civil management and infrastructure",
        "civil",
    ),
    Axis("urban-rural", "مدیریت شهری و روستایی", "Urban and rural management", "municipalities"),
    Axis("economic", "مدیریت اقتصادی", "Economic management", "economic"),
    Axis("crisis", "مدیریت بحران", "Crisis management", "crisis"),
)

PROVINCES: tuple[Province, ...] = (
    Province("IR-00", "مرکزی", "Markazi"),
    Province("IR-01", "گیلان", "Gilan"),
    Province("IR-02", "مازندران", "Mazandaran"),
    Province("IR-03", "آذربایجان شرقی", "East Azerbaijan"),
    Province("IR-04", "آذربایجان غربی", "West Azerbaijan"),
    Province("IR-05", "کرمانشاه", "Kermanshah"),
    Province("IR-06", "خوزستان", "Khuzestan"),
    Province("IR-07", "فارس", "Fars"),
    Province("IR-08", "کرمان", "Kerman"),
    Province("IR-09", "خراسان رضوی", "Razavi Khorasan"),
    Province("IR-10", "اصفهان", "Isfahan"),
    Province("IR-11", "سیستان و بلوچستان", "Sistan and Baluchestan"),
    Province("IR-12", "کردستان", "Kurdistan"),
    Province("IR-13", "همدان", "Hamadan"),
    Province("IR-14", "چهارمحال و بختیاری", "Chaharmahal and Bakhtiari"),
    Province("IR-15", "لرستان", "Lorestan"),
    Province("IR-16", "ایلام", "Ilam"),
    Province("IR-17", "کهگیلویه و بویراحمد", "Kohgiluyeh and Boyer-Ahmad"),
    Province("IR-18", "بوشهر", "Bushehr"),
    Province("IR-19", "زنجان", "Zanjan"),
    Province("IR-20", "سمنان", "Semnan"),
    Province("IR-21", "یزد", "Yazd"),
    Province("IR-22", "هرمزگان", "Hormozgan"),
    Province("IR-23", "تهران", "Tehran"),
    Province("IR-24", "اردبیل", "Ardabil"),
    Province("IR-25", "قم", "Qom"),
    Province("IR-26", "قزوین", "Qazvin"),
    Province("IR-27", "گلستان", "Golestan"),
    Province("IR-28", "خراسان شمالی", "North Khorasan"),
    Province("IR-29", "خراسان جنوبی", "South Khorasan"),
    Province("IR-30", "البرز", "Alborz"),
)

DEPUTY_TITLES_FA: Final[Mapping[str, str]] = {deputy.id: deputy.title_fa for deputy in DEPUTIES}
AXIS_TITLES_FA: Final[Mapping[str, str]] = {axis.id: axis.title_fa for axis in AXES}
PROVINCE_NAMES_FA: Final[Mapping[str, str]] = {p.code: p.name_fa for p in PROVINCES}

PROVINCE_CODES: frozenset[str] = frozenset(province.code for province in PROVINCES)

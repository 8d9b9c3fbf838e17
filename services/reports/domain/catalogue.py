"""Catalogues of axes with their sub-axes. A version never changes; a change is a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.contracts.reference import AXES


@dataclass(frozen=True, slots=True)
class SubAxis:
    """A sub-axis, settled by a specialised working group."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a catalogue with its sub-axes."""

    id: str
    title: str
    sub_axes: tuple[SubAxis, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The axes and sub-axes that a report answers."""

    version: int
    axes: tuple[Axis, ...]

    def axis(self, axis_id: str) -> Axis | None:
        """The axis with this id, or None."""
        return next((axis for axis in self.axes if axis.id == axis_id), None)


_SUB_AXES_1: Final[Mapping[str, tuple[SubAxis, ...]]] = MappingProxyType(
    {
        "general-management": (
            SubAxis("managers", "وضعیت مدیران و شایسته‌سالاری در انتصاب‌ها"),
            SubAxis("structure", "وضعیت ساختاری رده‌های وزارت کشور در استان"),
            SubAxis("inspection", "نظارت، بازرسی و رسیدگی به شکایات"),
            SubAxis("electronic-services", "دولت الکترونیک و خدمت‌رسانی به مردم"),
            SubAxis("budget", "بودجه، منابع و تخصیص اعتبارات استانی"),
        ),
        "political": (
            SubAxis("elections", "انتخابات و مشارکت سیاسی"),
            SubAxis("parties", "احزاب، تشکل‌ها و نخبگان سیاسی"),
            SubAxis("divisions", "تقسیمات کشوری"),
            SubAxis("public-meetings", "دیدارهای مردمی و مسئله‌های مطالبه‌شده"),
        ),
        "security": (
            SubAxis("public-order", "نظم و امنیت عمومی"),
            SubAxis("borders", "مرزها و تبادلات مرزی"),
            SubAxis("narcotics", "مبارزه با مواد مخدر و قاچاق کالا"),
            SubAxis("foreign-nationals", "اتباع و مهاجران خارجی"),
            SubAxis("traffic", "پلیس راه و ایمنی عبور و مرور"),
        ),
        "social": (
            SubAxis("social-harms", "کنترل و کاهش آسیب‌های اجتماعی"),
            SubAxis("people-based", "حکمرانی مردم‌پایه و سازمان‌های مردم‌نهاد"),
            SubAxis("family-women", "زنان، خانواده و جوانی جمعیت"),
            SubAxis("culture", "امور فرهنگی و نشاط اجتماعی"),
            SubAxis("ethnic-cohesion", "همبستگی اقوام و مذاهب"),
        ),
        "civil-infrastructure": (
            SubAxis("half-finished-projects", "طرح‌های نیمه‌تمام عمرانی"),
            SubAxis("roads", "راه‌ها و حمل‌ونقل"),
            SubAxis("water", "آب شرب، آبیاری و فاضلاب"),
            SubAxis("energy", "برق، گاز و انرژی‌های تجدیدپذیر"),
            SubAxis("housing", "مسکن و نهضت ملی مسکن"),
            SubAxis("communications", "ارتباطات و دسترسی به اینترنت"),
        ),
        "urban-rural": (
            SubAxis("municipalities", "شهرداری‌ها و درآمدهای پایدار"),
            SubAxis("councils", "شوراهای اسلامی شهر و روستا"),
            SubAxis("dehyaris", "دهیاری‌ها و توسعهٔ روستایی"),
            SubAxis("waste", "مدیریت پسماند"),
            SubAxis("urban-transport", "حمل‌ونقل عمومی شهری"),
        ),
        "economic": (
            SubAxis("investment", "سرمایه‌گذاری و رفع موانع تولید"),
            SubAxis("employment", "اشتغال و بازار کار"),
            SubAxis("market", "تنظیم بازار و معیشت مردم"),
            SubAxis("agriculture", "کشاورزی و امنیت غذایی"),
            SubAxis("exports", "صادرات و بازارچه‌های مرزی"),
            SubAxis("industry-mines", "صنعت و معدن"),
        ),
        "crisis": (
            SubAxis("preparedness", "آمادگی و تمرین در برابر بحران"),
            SubAxis("earthquake", "زلزله و ایمن‌سازی ساختمان‌ها"),
            SubAxis("flood-drought", "سیل، خشکسالی و تنش آبی"),
            SubAxis("reconstruction", "بازسازی مناطق آسیب‌دیده"),
            SubAxis("relief", "امداد، انبارها و تجهیزات"),
        ),
    }
)

CATALOGUES: Final[Mapping[int, Catalogue]] = MappingProxyType(
    {1: Catalogue(1, tuple(Axis(a.id, a.title_fa, _SUB_AXES_1[a.id]) for a in AXES))}
)
"""All catalogues, by version."""

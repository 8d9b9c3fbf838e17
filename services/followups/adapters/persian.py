"""The Persian texts of the problems that this service answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.followups.adapters import file_kinds
from services.followups.adapters.state_titles import STATES_FA
from services.followups.domain.transitions import Actor, Transition
from shared.runtime.persian import Catalogue

_STEPS: Final[Mapping[Transition, str]] = {
    Transition.ACKNOWLEDGE: "پذیرفتن",
    Transition.DISPUTE: "اعلام اختلاف",
    Transition.SETTLE: "رفع اختلاف",
    Transition.ASSIGN: "گماردن مسئول پیگیری",
    Transition.UNASSIGN: "برداشتن مسئول پیگیری",
    Transition.DELEGATE: "تفویض",
    Transition.END_DELEGATION: "پایان تفویض",
    Transition.LINK: "پیوند با مصوبهٔ پیشین",
    Transition.COMMENT: "نوشتن نظر",
    Transition.REPORT_PART: "گزارش سهم دستگاه",
    Transition.ADD_ITEM: "افزودن کار",
    Transition.FINISH_ITEM: "پایان کار",
    Transition.DROP_ITEM: "کنار گذاشتن کار",
    Transition.PROGRESS: "گزارش پیشرفت",
    Transition.BLOCK: "اعلام توقف",
    Transition.UNBLOCK: "رفع توقف",
    Transition.COMPLETE: "اعلام انجام",
    Transition.VERIFY: "تأیید انجام",
    Transition.REOPEN: "بازگشودن",
    Transition.CLOSE: "بستن",
    Transition.REQUEST_EXTENSION: "درخواست تمدید مهلت",
    Transition.EXTEND: "تمدید مهلت",
    Transition.REFUSE_EXTENSION: "رد تمدید مهلت",
    Transition.AMEND: "اصلاح",
    Transition.WITHDRAW: "پس گرفتن",
    Transition.GO_UNACKNOWLEDGED: "بی‌پاسخ ماندن ابلاغ",
    Transition.COME_DUE_SOON: "نزدیک شدن مهلت",
    Transition.FALL_OVERDUE: "معوق شدن",
    Transition.LAPSE: "بی‌اثر شدن درخواست تمدید",
    Transition.ADD_EVIDENCE: "افزودن مستندات",
    Transition.MOVE: "سپردن به معاونت دیگر",
}

_ACTORS: Final[Mapping[Actor, str]] = {
    Actor.DEPUTY: "معاون مسئول",
    Actor.HIMSELF: "شخص معاون مسئول",
    Actor.OFFICER: "معاون مسئول یا مسئول پیگیری",
    Actor.DECIDER: "هماهنگی، جز کسی که از سوی معاون عمل می‌کند",
    Actor.VERIFIER: "هماهنگی یا استان، جز کسی که انجام آن را اعلام کرده یا از سوی معاون عمل می‌کند",
    Actor.CONCERNED: "هر کس که به او مربوط است",
    Actor.OFFICE: "دفتر وزیر، یا کارور از سوی آن",
    Actor.BODY: "معاون مسئول، مسئول پیگیری یا نمایندهٔ دستگاه",
    Actor.APPROVER: "تصویب‌کننده",
    Actor.CLOCK: "گذشت زمان",
}

_TITLES: Final[Mapping[str, str]] = {
    "Part of the data is not available": "بخشی از داده‌ها در دسترس نیست",
    "The content of the evidence is lost": "محتوای مستند از دست رفته است",
    "The file is no sheet that can be read": "پرونده برگه‌ای خواندنی نیست",
    "The sheet is not valid": "برگه معتبر نیست",
    "your roles have scorecards by deputy, and by the province or axis of the role": "نقش‌های شما "
    "کارنامه را به تفکیک معاونت، و استان یا محور همان نقش، دارد",
    "Too many rows for all or nothing": "ردیف‌ها برای «همه یا هیچ» بیش از اندازه است",
    "A sheet has not so many rows": "برگه این اندازه ردیف ندارد",
}

_SENTENCES: Final[Mapping[str, str]] = {
    "the follow-up is {state}": "پیگیری در وضعیت «{state}» است",
    "the follow-up is {state}; this needs {wanted}": "پیگیری در وضعیت «{state}» است؛ این کار در "
    "این وضعیت شدنی است: {wanted}",
    "due_on {due_on} is before the approval": "مهلت {due_on} پیش از تصویب است",
    "{progress} is not from 0 to 100": "{progress} از ۰ تا ۱۰۰ نیست",
    "more time than until {day} was asked for before": "پیش از این برای پس از {day} تمدید خواسته "
    "شده است",
    "{most} extensions were granted, no more can be": "{most} بار تمدید شده است و بیش از این "
    "نمی‌شود",
    "{to} follows {resolution_id} as {followup_id}": "{to} خود مصوبهٔ {resolution_id} را با شناسهٔ "
    "{followup_id} پیگیری می‌کند",
    "{by} may not {step}: that is for {who}": "{by} اجازهٔ «{step}» ندارد؛ این کار با این است: "
    "{who}",
    "{by} asked for it; somebody else decides": "{by} خود آن را خواسته است؛ دیگری تصمیم می‌گیرد",
    "{due_on} is not later than the present due date {present}": "{due_on} پس از مهلت کنونی "
    "{present} نیست",
    "{due_on} is beyond {latest}, {days} days after the original due date": "{due_on} پس از "
    "{latest} است، یعنی {days} روز پس از مهلت نخست",
    "a dispute says why, in its note": "اعلام اختلاف باید دلیل خود را در توضیح بگوید",
    "an extension is asked for already": "تمدید مهلت پیش‌تر خواسته شده است",
    "no extension is asked for": "تمدیدی خواسته نشده است",
    "{officer} is its officer already": "{officer} هم‌اکنون مسئول پیگیری آن است",
    "it has no officer": "مسئول پیگیری ندارد",
    "{to} cannot delegate to himself": "{to} نمی‌تواند به خود تفویض کند",
    "{until} is not from today, {today}, to {latest}": "{until} از امروز، {today}، تا {latest} "
    "نیست",
    "nothing is delegated": "چیزی تفویض نشده است",
    "it has {most} items, no more can be": "{most} کار دارد و بیش از این نمی‌شود",
    "{due_on} is after {whole}, when the follow-up is due": "{due_on} پس از {whole} است که مهلت "
    "پیگیری است",
    "there is no item {number}": "کار شمارهٔ {number} نیست",
    "item {number} is {state}": "کار شمارهٔ {number} در وضعیت «{state}» است",
    "{by} does not speak for {body}": "{by} نمایندهٔ {body} نیست",
    "{asked} has no part in it; these have: {bodies}": "{asked} در آن سهمی ندارد؛ این‌ها دارند: "
    "{bodies}",
    "{predecessor} cannot continue itself": "{predecessor} نمی‌تواند ادامهٔ خود باشد",
    "it would continue itself: {circle}": "ادامهٔ خود می‌شد: {circle}",
    "{blocked_by} answers for it; who else has to act first?": "{blocked_by} خود پاسخ‌گوی آن است؛ "
    "چه کس دیگری باید نخست اقدام کند؟",
    "it continues {predecessor} already": "هم‌اکنون ادامهٔ {predecessor} است",
    # finding a follow-up
    "no follow-up {followup_id}": "پیگیری {followup_id} نیست",
    "not served here; served are {served}": "اینجا نیست؛ این‌ها هست: {served}",
    "not found, but these deputies' databases do not answer: {partial}": "یافت نشد، ولی پایگاه "
    "دادهٔ این معاونت‌ها پاسخ نمی‌دهد: {partial}",
    "no deputy's database answers; try again": "پایگاه دادهٔ هیچ معاونتی پاسخ نمی‌دهد؛ دوباره بکوشید",
    "is not past: it is {today} in Tehran": "گذشته نیست؛ امروز در تهران {today} است",
    "is who answers for them now": "هم‌اکنون پاسخ‌گوی آن‌ها است",
    "this takes the role {role} or {other}": "این کار نقش {role} یا {other} را می‌خواهد",
    # absences
    "no deputy {deputy}": "معاونت {deputy} نیست",
    "no absence {absence_id}": "غیبت {absence_id} نیست",
    "the absence is over": "غیبت پایان یافته است",
    "{substitute} declares it; who else acts?": "{substitute} خود آن را اعلام می‌کند؛ چه کس دیگری "
    "جانشین است؟",
    "{first} is past: today is {today}": "{first} گذشته است؛ امروز {today} است",
    "{last} is not from {first} to {latest}": "{last} از {first} تا {latest} نیست",
    "from {first} to {last} {substitute} acts for {deputy}; end that first": "از {first} تا {last} "
    "{substitute} جانشین {deputy} است؛ نخست آن را پایان دهید",
    # evidence
    "no evidence {evidence_id} of follow-up {followup_id}": "مستند {evidence_id} در پیگیری "
    "{followup_id} نیست",
    "evidence {evidence_id} is a link: {url}": "مستند {evidence_id} پیوند است: {url}",
    "it was erased, or handed in after the copy that the database was restored from": "پاک شده "
    "است، یا پس از نسخه‌ای تحویل شده است که پایگاه داده از آن بازگردانده شد",
    "a file has a name: Content-Disposition, or ?name=": "پرونده نام می‌خواهد: در سرآیند "
    "\u2068Content-Disposition\u2069 یا در \u2068?name=\u2069",
    "a kind such as application/pdf": "گونه‌ای است مانند \u2068application/pdf\u2069",
    "Send the file itself as the body, not a form that holds it": "خود پرونده را بدنهٔ درخواست "
    "کنید، نه فرمی که آن را در بر دارد",
    "filename* is written in UTF-8: filename*=UTF-8''%D9%BE%D9%84.pdf": "نام چنین نوشته می‌شود: "
    "\u2068filename*=UTF-8''%D9%BE%D9%84.pdf\u2069",
    "filename* is not the percent-encoded UTF-8 it claims to be": "نام به شکلی که می‌گوید نوشته "
    "نشده است: \u2068filename*\u2069",
    "a name is one line of characters that can be seen": "نام یک سطر از نویسه‌های دیدنی است",
    "a name is one line of characters that can be seen: گزارش.pdf": "نام یک سطر از نویسه‌های دیدنی "
    "است، مانند \u2068گزارش.pdf\u2069",
    "its letters were lost on the way: filename*=UTF-8''%D9%BE%D9%84.pdf": "حروف آن در راه از دست "
    "رفته است؛ چنین نوشته می‌شود: \u2068filename*=UTF-8''%D9%BE%D9%84.pdf\u2069",
    "a name has 1 to 255 characters that can be seen, not dots alone": "نام ۱ تا ۲۵۵ نویسهٔ دیدنی "
    "دارد، و نه تنها نقطه",
    "a name has 1 to 255 characters that can be seen, not dots alone: گزارش.pdf": "نام ۱ تا ۲۵۵ "
    "نویسهٔ دیدنی دارد، و نه تنها نقطه: \u2068گزارش.pdf\u2069",
    "the file is empty": "پرونده خالی است",
    "100 pieces of evidence are there, no more can be": "۱۰۰ مستند دارد و بیش از این نمی‌شود",
    "the upload said nothing for so long that it counted as abandoned; send it again": "بارگذاری "
    "چنان دیر چیزی فرستاد که رهاشده به شمار آمد؛ دوباره بفرستید",
    # sheets
    "Nothing is applied; `errors` names rows and columns": "چیزی اعمال نشد؛ ردیف‌ها و ستون‌های "
    "نادرست یک‌به‌یک آمده است",
    "{rows} rows are refused, so nothing is applied": "{rows} ردیف پذیرفته نشد، پس چیزی اعمال نشد",
    "{rows} rows of {deputy} change something, and {most} can together; send fewer, or with "
    "mode=valid": "{rows} ردیف از {deputy} تغییر دارد و {most} ردیف با هم می‌شود؛ کمتر بفرستید، یا "
    "با \u2068mode=valid\u2069",
    "more than {most} follow-ups; ask for those of a deputy, a session": "بیش از {most} پیگیری "
    "است؛ آن‌های یک معاونت یا یک نشست را بخواهید",
}

_SAVE: Final = (
    "آن را در برنامهٔ صفحه‌گسترده باز کنید و با قالب \u2068.xlsx\u2069 ذخیره کنید: "
    "\u2068File > Save As > .xlsx\u2069"
)
_SEND: Final = "خود پروندهٔ \u2068.xlsx\u2069 را بفرستید"

_FILES: Final[Mapping[str, str]] = {
    file_kinds.EMPTY: f"پرونده خالی است؛ {_SEND}",
    file_kinds.LOCKED: "پرونده رمز دارد؛ آن را باز کنید، رمز را بردارید و با قالب "
    "\u2068.xlsx\u2069 ذخیره کنید: "
    "\u2068File > Info > Protect Workbook > Encrypt with Password\u2069",
    file_kinds.OLD: f"پرونده از قالب قدیمی \u2068.xls\u2069 است؛ {_SAVE}",
    file_kinds.BINARY: f"پرونده از قالب \u2068.xlsb\u2069 است؛ {_SAVE}",
    file_kinds.XML_2003: f"پرونده از قالب \u2068XML Spreadsheet 2003\u2069 است؛ {_SAVE}",
    file_kinds.OPEN: f"پرونده از قالب \u2068.ods\u2069 است؛ {_SAVE}",
    file_kinds.FLAT_OPEN: f"پرونده از قالب \u2068.fods\u2069 است؛ {_SAVE}",
    file_kinds.WEB: f"پرونده صفحهٔ وب است، هر نامی که دارد؛ {_SAVE}",
    file_kinds.WEB_ARCHIVE: f"پرونده بایگانی صفحهٔ وب است؛ {_SAVE}",
    file_kinds.TEXT: f"پرونده متن است، مانند \u2068.csv\u2069؛ {_SAVE}",
    file_kinds.NUMBERS: "پرونده از برنامهٔ \u2068Numbers\u2069 است؛ از آن خروجی بگیرید و بفرستید: "
    "\u2068File > Export To > Excel\u2069",
    file_kinds.FORM: f"بدنهٔ درخواست فرم است؛ {_SEND}",
    file_kinds.PACKED: f"پرونده فشرده است؛ {_SEND}",
    file_kinds.PDF: f"پرونده \u2068PDF\u2069 است؛ {_SEND}",
    file_kinds.DOCUMENT: f"پرونده سند متنی است؛ {_SEND}",
    file_kinds.SLIDES: f"پرونده ارائه است؛ {_SEND}",
    file_kinds.UNKNOWN: f"پرونده از قالب \u2068.xlsx\u2069 نیست؛ اگر صفحه‌گسترده است، {_SAVE}",
}

_ROWS: Final[Mapping[str, str]] = {
    "missing-column": "این ستون در برگه نیست",
    "unknown-column": "ستونی به این نام در این برگه نیست",
    "double-column": "این ستون دو بار آمده است",
    "formula": "این خانه فرمول است؛ آن را رونوشت کنید و مقدارش را بچسبانید",
    "broken-cell": "این خانه خطا، تاریخ یا زمان است؛ قالب خانه را متن کنید و مقدار را بنویسید",
    "merged-cells": "این خانه با ردیف‌های دیگر یکی شده است؛ جدا کنید و در هر ردیف بنویسید",
    "bad-id": "شناسه خالی است یا شناسه نیست",
    "bad-version": "نسخه عددی صحیح از ۱ است، چنان که در برگه بود",
    "bad-progress": "پیشرفت عددی صحیح از ۰ تا ۱۰۰ است، مانند ۴۰ یا ۴۰٪",
    "bad-note": "توضیح متن است و بیش از اندازه بلند نیست",
    "bad-answer": "پاسخ «بله»، «خیر» یا خالی است",
    "double-row": "ردیف دیگری از همین پیگیری سخن می‌گوید",
    "too-many-rows": "برگه بیش از اندازه ردیف دارد",
    "stale-version": "پیگیری از زمان گرفتن برگه تغییر کرده است؛ برگه را دوباره بگیرید",
    "not-allowed": "اجازهٔ این کار را ندارید",
    "not-now": "در وضعیت کنونی پیگیری شدنی نیست",
    "busy": "دیگران همین حالا همین را تغییر می‌دهند؛ دوباره بکوشید",
    "with-others": "ردیف دیگری از همین معاونت پذیرفته نشد",
    "unavailable": "پایگاه دادهٔ معاونت پاسخ نمی‌دهد؛ برگه را دوباره بفرستید",
    "unknown-followup": "چنین پیگیری‌ای اینجا نیست",
}

_ITEM_STATES: Final = {"open": "باز", "dropped": "کنارگذاشته"}

CATALOGUE: Final = Catalogue(
    {**_TITLES, **_SENTENCES, **_FILES, **{f"row:{slug}": text for slug, text in _ROWS.items()}},
    {
        **{state.value: name for state, name in STATES_FA.items()},
        **{step.value: name for step, name in _STEPS.items()},
        **{actor.value: name for actor, name in _ACTORS.items()},
        **_ITEM_STATES,
    },
)

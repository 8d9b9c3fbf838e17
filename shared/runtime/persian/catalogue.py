"""Persian for the messages that all services share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.contracts.reference import AXIS_TITLES_FA, DEPUTY_TITLES_FA, PROVINCE_NAMES_FA
from shared.runtime.persian.translation import Catalogue
from shared.runtime.persian.validation import VALIDATION

_TITLES: Final[Mapping[str, str]] = {
    "The request is not valid": "درخواست معتبر نیست",
    "Not found": "یافت نشد",
    "The body is not JSON": "بدنهٔ درخواست \u2068JSON\u2069 نیست",
    "Not available now": "اکنون در دسترس نیست",
    "The service failed; its log says why": "سرویس با خطا روبه‌رو شد؛ علت در گزارش آن آمده است",
    "The body is too large": "بدنهٔ درخواست بیش از اندازه بزرگ است",
    "The address is too long": "نشانی درخواست بیش از اندازه بلند است",
    "The headers are too large": "سرآیندهای درخواست بیش از اندازه بزرگ است",
    "The query has too many parameters": "پارامترهای درخواست بیش از اندازه است",
    "The body comes too slowly": "بدنهٔ درخواست بیش از اندازه کند می‌رسد",
    "The body is too complex": "بدنهٔ درخواست بیش از اندازه پیچیده است",
    "Too many uploads at a time": "بارگذاری‌های هم‌زمان بیش از اندازه است",
    "Too many requests at a time": "درخواست‌های هم‌زمان بیش از اندازه است",
    "Too many requests": "درخواست‌ها بیش از اندازه است",
    "The body is of another kind": "بدنهٔ درخواست از گونهٔ دیگری است",
    "The body broke off": "بدنهٔ درخواست ناتمام رسید",
    "A header cannot be read": "یکی از سرآیندها خواندنی نیست",
    "Not allowed": "اجازه داده نشده است",
    "Not possible as things stand": "در وضع کنونی شدنی نیست",
    "Changed by others meanwhile": "در این میان دیگران آن را تغییر داده‌اند",
    "The key was used for another request": "این کلید برای درخواست دیگری به کار رفته است",
    "The same request is being answered": "همین درخواست در دست پاسخ است",
    "The upload was given up": "بارگذاری رهاشده به شمار آمد",
    # HTTP's own phrases, which the framework sends
    "Bad Request": "درخواست نادرست است",
    "Unauthorized": "هویت درخواست‌کننده روشن نیست",
    "Forbidden": "اجازه داده نشده است",
    "Not Found": "یافت نشد",
    "Method Not Allowed": "این روش برای این نشانی نیست",
    "Not Acceptable": "پاسخ به شکل خواسته‌شده در دست نیست",
    "Request Timeout": "درخواست در زمان خود نرسید",
    "Conflict": "در وضع کنونی شدنی نیست",
    "Gone": "دیگر در دسترس نیست",
    "Precondition Failed": "شرط درخواست برقرار نیست",
    "Precondition Required": "درخواست باید شرط خود را بگوید",
    "Unsupported Media Type": "بدنهٔ درخواست از گونهٔ دیگری است",
    "Too Many Requests": "درخواست‌ها بیش از اندازه است",
    "Internal Server Error": "سرویس با خطا روبه‌رو شد؛ علت در گزارش آن آمده است",
    "Service Unavailable": "اکنون در دسترس نیست",
}

ANY_CLIENT_ERROR: Final = "Bad Request"
ANY_SERVER_ERROR: Final = "Internal Server Error"

_SENTENCES: Final[Mapping[str, str]] = {
    "not JSON at line {line}, column {column}": "در سطر {line}، نویسهٔ {column} خواندنی نیست",
    "not JSON at character {place}": "در نویسهٔ {place} خواندنی نیست",
    "Content-Type: application/json": "\u2068Content-Type: application/json\u2069",
    "There was an error parsing the body": "بدنهٔ درخواست خواندنی نیست",
    "A path and its query may have {limit} bytes; ask in parts": "نشانی و پارامترها حداکثر "
    "{limit} بایت است؛ درخواست را بخش‌بخش بفرستید",
    "All headers together may have {limit} bytes": "همهٔ سرآیندها با هم حداکثر {limit} بایت است",
    "A query may have {limit} parameters; ask in parts": "حداکثر {limit} پارامتر پذیرفته می‌شود؛ "
    "درخواست را بخش‌بخش بفرستید",
    "At least {rate} bytes a second have to come; send it again": "دست‌کم {rate} بایت در ثانیه باید "
    "برسد؛ دوباره بفرستید",
    "{limit} are being received; send it again in a moment": "{limit} بارگذاری در جریان است؛ "
    "اندکی بعد دوباره بفرستید",
    "{limit} requests are being answered; try again in a moment": "{limit} درخواست در دست پاسخ "
    "است؛ اندکی بعد دوباره بکوشید",
    "{burst} requests at once and {rate} each second are taken; try again in {wait} s": "{burst} "
    "درخواست در یک زمان و {rate} درخواست در ثانیه پذیرفته می‌شود؛ پس از {wait} ثانیه دوباره بکوشید",
    "A body may have {most} values; send it in parts": "بدنهٔ درخواست حداکثر {most} مقدار دارد؛ "
    "آن را بخش‌بخش بفرستید",
    "A text of a body may have {most} characters": "هر متن حداکثر {most} نویسه دارد",
    "Lists and objects may be inside each other {most} times": "فهرست‌ها و شیءها حداکثر {most} بار "
    "درون یکدیگر پذیرفته می‌شوند",
    "At most {limit} bytes are taken": "حداکثر {limit} بایت پذیرفته می‌شود",
    "not a cursor of this list": "نشانهٔ صفحهٔ این فهرست نیست",
    "no parameter of this list or item; allowed: {allowed}": "پارامتری به این نام نیست؛ "
    "پذیرفته می‌شود: {allowed}",
    "is given {times} times, and can be once": "{times} بار آمده است و یک بار پذیرفته می‌شود",
    "is after {name}": "پس از {name} است",
    "comes from sort={sort}, which has to stand by it": "از ترتیب {sort} است، که باید با آن بیاید",
    "none": "هیچ",
    "{header}: {detail}": "{header}: {detail}",
    "Others change the same at this moment; try again": "دیگران همین حالا همین را تغییر می‌دهند؛ "
    "دوباره بکوشید",
    "The database is being prepared (see /readyz); try again": "پایگاه داده در حال آماده‌سازی است؛ "
    "دوباره بکوشید",
    "The database does not answer (see /readyz); try again": "پایگاه داده پاسخ نمی‌دهد؛ "
    "دوباره بکوشید",
    "The database does not answer ({error}); try again": "پایگاه داده پاسخ نمی‌دهد ({error})؛ "
    "دوباره بکوشید",
    "The database was restored from an older copy; this process starts anew, try again": "پایگاه "
    "داده از نسخه‌ای پیشین بازگردانده شد و سرویس از نو آغاز می‌کند؛ دوباره بکوشید",
    "Whoever asks for something else gives it a key of its own": "هر درخواست دیگر کلید خود را "
    "می‌خواهد",
    "was used for another request": "برای درخواست دیگری به کار رفته است",
    "A request with this key is being worked on; ask again for its answer": "درخواستی با همین کلید "
    "در دست انجام است؛ برای پاسخ آن دوباره بپرسید",
    '1 to {most} visible ASCII characters, such as a UUID, bare or in "quotes"': "۱ تا {most} "
    "نویسهٔ دیدنی لاتین است، مانند یک شناسهٔ یکتا، با گیومهٔ لاتین یا بی آن",
    "1 to 100 of the characters A-Z a-z 0-9 . _ @ : + -": "۱ تا ۱۰۰ نویسه از این‌ها است: "
    "\u2068A-Z a-z 0-9 . _ @ : + -\u2069",
    "{role} is no role; allowed: {allowed}": "{role} نقشی نیست؛ پذیرفته می‌شود: {allowed}",
    "this takes the role {role}": "این کار نقش {role} را می‌خواهد",
    "no paused subscription {group}": "اشتراک {group} متوقف نیست",
    "no paused subscription {group} with a paused topic {topic}": "در اشتراک {group} موضوع {topic} "
    "متوقف نیست",
    "no answer to a replay {replay_id}": "برای بازپخش {replay_id} پاسخی نیست",
    "no database answers: {partial}": "هیچ پایگاه داده‌ای پاسخ نمی‌دهد: {partial}",
    "{what}, but some databases do not answer: {partial}": "{what}، ولی برخی پایگاه‌های داده پاسخ "
    "نمی‌دهند: {partial}",
}

_WORDS: Final[Mapping[str, str]] = {**DEPUTY_TITLES_FA, **AXIS_TITLES_FA, **PROVINCE_NAMES_FA}

_FIELDS: Final[Mapping[str, str]] = {
    "Idempotency-Key": "کلید درخواست",
    "X-Peygir-User": "نام کاربر",
    "X-Peygir-Roles": "نقش‌های کاربر",
    "Content-Disposition": "نام پرونده در سرآیند",
    "content-disposition": "نام پرونده در سرآیند",
    "Content-Type": "گونهٔ بدنه",
    "content-type": "گونهٔ بدنه",
    "If-Match": "شرط نسخه",
    "if-match": "شرط نسخه",
    "if-none-match": "شرط نسخه",
    "traceparent": "نشان رهگیری",
    "after": "پس از",
    "approved_from": "تصویب از",
    "approved_to": "تصویب تا",
    "changed_from": "تغییر از",
    "changed_to": "تغییر تا",
    "created_from": "پدید آمدن از",
    "created_to": "پدید آمدن تا",
    "due_from": "مهلت از",
    "due_to": "مهلت تا",
    "issued_from": "ابلاغ از",
    "issued_to": "ابلاغ تا",
    "sort": "ترتیب",
    "starts_from": "آغاز از",
    "starts_to": "آغاز تا",
    "submitted_from": "ارسال از",
    "submitted_to": "ارسال تا",
    "as_of": "تا تاریخ",
    "attendees": "حاضران",
    "answers": "پاسخ‌ها",
    "axes": "محورها",
    "axis": "محور",
    "baseline_on": "تاریخ مبنا",
    "blocked_by": "عامل توقف",
    "body": "بدنهٔ درخواست",
    "by": "بر پایهٔ",
    "catalogue_version": "نسخهٔ فهرست محورها",
    "channel": "راه ارسال",
    "circular_id": "شناسهٔ ابلاغیه",
    "cursor": "نشانهٔ صفحه",
    "deputy": "معاونت",
    "done": "انجام شد",
    "dry_run": "تنها آزمایشی",
    "due_on": "مهلت",
    "ends_at": "پایان",
    "evidence_id": "شناسهٔ مستند",
    "exclude": "بدون",
    "executing_body": "دستگاه مجری",
    "finding": "یافته",
    "followup_id": "شناسهٔ پیگیری",
    "group": "گروه",
    "id": "شناسه",
    "initiatives": "ابتکارها",
    "item": "کار",
    "items": "کارها",
    "kind": "گونه",
    "late": "دیرکرد",
    "level": "سطح ارجاع",
    "limit": "اندازهٔ صفحه",
    "minutes": "مدت به دقیقه",
    "mode": "شیوه",
    "name": "نام",
    "note": "توضیح",
    "notice_id": "شناسهٔ اعلان",
    "number": "شماره",
    "officer": "مسئول پیگیری",
    "outcome": "نتیجه",
    "overdue": "معوق",
    "owner": "مسئول",
    "predecessor": "مصوبهٔ پیشین",
    "predecessor_deputy": "معاونت مصوبهٔ پیشین",
    "priority": "اولویت",
    "progress": "درصد پیشرفت",
    "province": "استان",
    "provinces": "استان‌ها",
    "query": "پارامترهای درخواست",
    "reason": "دلیل",
    "recipient_role": "گیرنده",
    "replay_id": "شناسهٔ بازپخش",
    "report_id": "شناسهٔ گزارش",
    "resolution_id": "شناسهٔ مصوبه",
    "resolution_ids": "شناسه‌های مصوبه‌ها",
    "resolutions": "مصوبه‌ها",
    "role": "نقش",
    "rows": "ردیف‌ها",
    "season": "فصل نشست‌ها",
    "seed": "بذر",
    "session_id": "شناسهٔ نشست",
    "sha256": "اثر انگشت پرونده",
    "size": "تعداد",
    "special_topics": "موضوع‌های ویژه",
    "stance": "موضع",
    "starts_at": "آغاز",
    "starts_at_time": "ساعت آغاز",
    "starts_on": "روز آغاز",
    "state": "وضعیت",
    "subject": "موضوع",
    "summary": "جمع‌بندی",
    "supporting": "دستگاه‌های همکار",
    "template": "گونهٔ اعلان",
    "text": "متن",
    "title": "عنوان",
    "to": "به",
    "topic": "موضوع",
    "until": "تا",
    "url": "نشانی",
    "venue": "محل",
    "version": "نسخه",
}

SHARED: Final = Catalogue({**VALIDATION, **_TITLES, **_SENTENCES}, _WORDS, _FIELDS)

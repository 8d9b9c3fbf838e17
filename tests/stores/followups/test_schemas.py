"""Documents that older versions of the service stored are read and changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from bson import json_util

from deploy.local.layout import PROJECT
from services.followups.domain import work
from services.followups.domain.facts import WentUnacknowledged
from services.followups.domain.records import Followup, State
from services.followups.domain.work import ActionItem, Delegation, Part, Predecessor, Work
from services.followups.handlers import Change
from shared.runtime.calendar import start_of_day
from shared.runtime.mongo import Database
from tests.stores.followups import CAUSE, new, prepared, step
from tests.unit.followups.examples import BLOCKED, LATER, REOPENED, WATCHED


async def test_a_document_without_former_levels_is_read(
    database: Database,
) -> None:
    store = await prepared(database)
    first = new("R-1")
    await store.save([first], CAUSE)
    await database["followups"].update_one({}, {"$unset": {"former_levels": ""}})
    assert await store.get(first.after.followup_id) == first.after


# -- what older versions stored -----------------------------------------------------------------

STORED = PROJECT / "tests/contracts/stored"


async def recorded(database: Database, schema: int) -> Followup:
    """Read a document as an older version stored it."""
    text = (STORED / f"followup.{schema}.json").read_text(encoding="utf-8")
    document = json_util.loads(text)
    await database["followups"].insert_one(document)
    found = await (await prepared(database)).get(document["_id"])
    assert found is not None
    return found


async def test_a_document_of_schema_1_is_read(database: Database) -> None:
    """The recorded documents are never edited."""
    found = await recorded(database, 1)
    assert (found.state, found.progress, found.level) == ("verified", 100, 0)
    assert (found.claimed_by, found.verified_by) == ("d.karimi", "c.ahmadi")
    assert found.former_levels == ((date(2024, 1, 1), 1),)
    assert (found.resolution.due_on, found.original_due_on) == (
        date(2024, 6, 1),
        date(2024, 1, 1),
    )
    assert (found.request, found.extensions, found.due_soon_for) == (None, (), ())


async def test_a_document_of_schema_2_is_read(database: Database) -> None:
    found = await recorded(database, 2)
    assert (found.state, found.progress, found.blocked_by) == (
        "blocked", 60, "سازمان برنامه و بودجه",
    )  # fmt: skip
    assert found.request is not None
    assert found.request.due_on == date(2024, 3, 1)
    assert [(e.from_, e.to) for e in found.extensions] == [(date(2024, 1, 1), date(2024, 2, 1))]
    assert found.due_soon_for == (date(2024, 1, 1),)
    assert found.requested_for == (date(2024, 1, 1), date(2024, 2, 1))

    assert (found.acknowledge_by, found.unacknowledged_at, found.work) == (None, None, work.NONE)


async def test_a_document_of_schema_3_is_read(database: Database) -> None:
    found = await recorded(database, 3)
    assert (found.version, found.acknowledge_by) == (15, date(2023, 11, 4))
    assert found.unacknowledged_at == start_of_day(date(2023, 11, 5))
    assert found.work == Work(
        officer="a.nouri",
        delegation=Delegation("a.nouri", date(2023, 12, 1), "d.karimi", LATER),
        items=(
            replace(_ITEM, state="done", ended_by="d.karimi", ended_at=LATER, note="تحویل شد"),
            replace(
                _ITEM, number=2, title="آسفالت", owner="شهرداری مشهد", state="dropped",
                ended_by="d.karimi", ended_at=LATER, note="لازم نیست",
            ),
            replace(_ITEM, number=3, title="روشنایی", owner="r.moradi"),
        ),
        predecessor=Predecessor("1401-IR-09-R007", "social"),
        parts=(
            Part("شهرداری مشهد", 30, "آسفالت آغاز شد", "d.karimi", LATER),
            Part("social", 10, None, "d.sadeghi", LATER),
        ),
    )  # fmt: skip
    assert found.evidence == ()


async def test_a_document_of_schema_4_is_read(database: Database) -> None:
    found = await recorded(database, 4)
    file, link = found.evidence
    assert (found.version, found.state, found.work.officer) == (17, "in-progress", "a.nouri")
    assert (file.name, file.media_type, file.bytes, file.sha256, file.url) == (
        "صورت‌جلسه تحویل.pdf", "application/pdf", 48_213, "9f" * 32, None,
    )  # fmt: skip
    assert (link.url, link.by, link.at) == ("https://example.org/photos/12", "d.sadeghi", LATER)
    assert (file.note, link.note, link.sha256) == ("تحویل موقت", None, None)
    assert found.former_deputies == ()


async def test_a_document_of_schema_5_is_read(database: Database) -> None:
    found = await recorded(database, 5)
    assert (found.version, found.deputy, found.former_deputies) == (18, "civil", ("social",))
    assert (found.work.officer, found.work.delegation) == (None, None)


async def test_a_document_of_schema_6_is_read(database: Database) -> None:
    """Since schema 6, fields without a value are left out."""
    found = await recorded(database, 6)
    assert (found.version, found.state, found.progress, found.level) == (19, "opened", 0, 0)
    resolution = found.resolution
    assert (resolution.axis, resolution.session_kind) == ("civil-infrastructure", "provincial")
    assert (resolution.session_id, resolution.text, resolution.supporting) == (None, None, ())
    assert (found.acknowledge_by, found.work, found.evidence) == (date(2023, 11, 4), work.NONE, ())


async def test_fields_without_a_value_any_more_are_removed(database: Database) -> None:
    before = await recorded(database, 2)
    after = replace(before, version=before.version + 1, blocked_by=None, request=None)
    store = await prepared(database)
    await store.save([Change(before, after, (), None)], CAUSE)
    assert await store.get(after.followup_id) == after
    stored = await database["followups"].find_one({"_id": after.followup_id})
    assert stored is not None
    assert None not in stored.values()


async def test_unknown_fields_stay(database: Database) -> None:
    """A later version may have stored them, while both run."""
    before = await recorded(database, 6)
    await database["followups"].update_one({"_id": before.followup_id}, {"$set": {"mood": "glad"}})
    store = await prepared(database)
    after = replace(before, version=before.version + 1, reported=10)
    await store.save([Change(before, after, (), None)], CAUSE)
    stored = await database["followups"].find_one({"_id": after.followup_id})
    assert stored is not None
    assert (stored["mood"], stored["progress"]) == ("glad", 10)


_ITEM = ActionItem(1, "تملک زمین", "استانداری خراسان رضوی", date(2023, 12, 1), "d.karimi", LATER)


@pytest.mark.parametrize("schema", [1, 2])
async def test_older_follow_ups_are_never_announced_as_unacknowledged(
    database: Database, schema: int
) -> None:
    """An older document has no last day to acknowledge, and none is invented."""
    before = await recorded(database, schema)
    waiting = replace(before, state=State.OPENED, request=None)
    passed = WATCHED.passed(waiting, LATER + timedelta(days=900))
    assert [fact for fact in passed if isinstance(fact, WentUnacknowledged)] == []


async def test_an_older_document_can_be_changed(
    database: Database,
) -> None:
    before = await recorded(database, 1)
    store = await prepared(database)
    life = step(before, REOPENED, BLOCKED)
    await store.save([life], CAUSE)
    assert await store.get(before.followup_id) == life.after

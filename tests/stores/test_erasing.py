"""After an erasure no stored document has the texts, whatever came before it or broke it off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from services.reports.api.schemas import whole_report
from services.reports.handlers import Change
from shared.messaging.core.model import CommitContext
from shared.runtime.refusals import Refused
from tests.stores.erasing import (
    MARK,
    OTHER,
    SESSION_ID,
    a_reception,
    an_archive,
    broken_off,
    content,
    id_of,
    installed,
    put,
    recorded,
    same,
)
from tests.stores.test_evidence import a_file
from tests.unit.reports.builders import COORDINATION
from tools.erase.databases import NotThere
from tools.erase.journal import read
from tools.erase.planning import plan


async def test_a_report_loses_its_texts_and_keeps_its_counts(cluster: Cluster) -> None:
    async with installed(cluster) as (there, motor):
        reception = await a_reception(motor, there.namespace)
        await reception.announce(SESSION_ID, "other")
        await reception.submit()
        await reception.submit()
        before = await reception.distribute()
        await reception.submit("other")
        erased, kept = reception.sent[:8], reception.sent[8:]
        places = [f"{there.namespace}reports/{name}" for name in ("expectations", "replies")]
        assert sorted(there.holding(*erased)) == places
        there.erase([there.databases.report(SESSION_ID)])
        assert there.holding(*erased) == []
        assert sorted(there.holding(*kept)) == places
        after = await reception.store.get(SESSION_ID)
        assert after is not None
        assert after.report is not None
        assert before.report is not None
        assert after.report.lost is not None
        at = there.journal[0].order.at
        assert after.report.lost.erased_at == at
        assert after.report.initiative_count == before.report.initiative_count == 1
        assert after.report.special_topic_count == before.report.special_topic_count == 2
        assert after.report == replace(
            before.report, answers={}, initiatives=(), special_topics=(), lost=after.report.lost
        )
        assert after == replace(before, edition=before.edition + 1, report=after.report)
        (record,) = there.client[f"{there.namespace}reports"]["erasures"].find()
        assert (record["who"], record["revision"]) == ("c.ahmadi", 2)
        assert record["done_at"] is not None


async def test_whoever_has_read_the_texts_cannot_save_them_once_more(cluster: Cluster) -> None:
    async with installed(cluster) as (there, motor):
        reception = await a_reception(motor, there.namespace)
        await reception.announce(SESSION_ID)
        await reception.submit()
        save, store = reception.store.save, reception.store
        saved: list[int] = []

        async def overtaken(changes: Sequence[Change], cause: CommitContext) -> None:
            if not saved:
                there.erase([there.databases.report(SESSION_ID)])
            saved.append(len(changes))
            await save(changes, cause)

        store.save = overtaken  # type: ignore[method-assign]
        with pytest.raises(Refused, match="erased"):
            await reception.distribute()
        assert there.holding(*reception.sent) == []


STEPS = ("submit", "distribute", "erase", "break off", "copy", "restore", "again")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=14))
@settings(max_examples=40)
def test_erased_texts_are_gone_for_good(cluster: Cluster, steps: list[tuple[str, int]]) -> None:
    """Whatever is sent, broken off and restored: what was erased and repeated is nowhere."""

    async def run() -> None:
        async with installed(cluster) as (there, motor):
            reception = await a_reception(motor, there.namespace)
            await reception.announce(SESSION_ID)
            copy, erased = there.everything(), set[str]()
            for step, number in [*steps, ("again", 0)]:
                match step:
                    case "submit":
                        await reception.submit()
                    case "distribute":
                        with contextlib.suppress(Refused):
                            await reception.distribute()
                    case "erase" | "break off":
                        with contextlib.suppress(NotThere, AutoReconnect):
                            found = there.databases.report(SESSION_ID)
                            if found.is_there:
                                erased |= set(reception.sent)
                            with broken_off(number if step == "break off" else 1_000):
                                there.erase([found])
                            assert there.holding(*erased) == []
                    case "copy":
                        copy = there.everything()
                    case "restore":
                        there.restore(copy)
                        there.again()
                    case "again":
                        there.again()
                        assert there.holding(*erased) == []
                after = await reception.store.get(SESSION_ID)
                assert after is not None
                if after.report is not None:
                    whole_report(after, COORDINATION)

    asyncio.run(run())


async def test_a_file_is_erased_wherever_its_follow_up_has_been(cluster: Cluster) -> None:
    async with an_archive(cluster) as archive:
        there = archive.there
        places = [f"{there.namespace}followups_{d}/evidence.chunks" for d in ("civil", "social")]
        assert sorted(there.holding(MARK)) == places
        there.erase([there.databases.evidence(archive.moved.followup_id, id_of(MARK))])
        assert there.holding(MARK) == []
        assert there.holding(OTHER) == places[:1]
        for shelf in (archive.civil, archive.social):
            assert await shelf.content(a_file(content(MARK))) is None
        assert await archive.civil.content(a_file(content(OTHER))) == content(OTHER)
        for deputy in ("civil", "social"):
            (record,) = there.client[f"{there.namespace}followups_{deputy}"]["erasures"].find()
            assert record["evidence_id"] == id_of(MARK)
            assert record["done_at"] is not None
        again = there.databases.evidence(archive.moved.followup_id, id_of(MARK))
        assert plan([again], there.databases.recorded()) == plan([], {})


async def test_a_season_is_its_sessions_and_nothing_else(cluster: Cluster) -> None:
    async with an_archive(cluster) as archive:
        there = archive.there
        reception = await a_reception(archive.motor, there.namespace)
        await reception.announce(SESSION_ID, "1401-IR-09")
        await reception.submit()
        await reception.submit("1401-IR-09")
        erased, kept = reception.sent[:4], reception.sent[4:]
        there.erase(there.databases.season("1402"), "1402")
        assert there.holding(MARK, *erased) == []
        assert len(there.holding(OTHER, *kept)) == 3
        assert {erasure.order.season for erasure in there.journal} == {"1402"}
        assert len(there.journal) == 2
        with pytest.raises(NotThere, match="no session of a season 1399"):
            there.databases.season("1399")


async def test_a_file_that_is_handed_in_anew_stays_when_the_journal_is_repeated(
    cluster: Cluster,
) -> None:
    async with an_archive(cluster) as archive:
        there, social = archive.there, archive.social
        there.erase([there.databases.evidence(archive.moved.followup_id, id_of(MARK))])
        await asyncio.sleep(0.002)  # an upload's date is of a later millisecond
        await put(social, "R-3", MARK)
        there.again()
        assert await social.content(a_file(content(MARK))) == content(MARK)
        assert len(there.holding(MARK)) == 1


async def test_a_copy_brings_nothing_back_once_the_journal_is_repeated(cluster: Cluster) -> None:
    async with an_archive(cluster) as archive:
        there = archive.there
        reception = await a_reception(archive.motor, there.namespace)
        await reception.announce(SESSION_ID)
        await reception.submit()
        copy = there.everything()
        there.erase(there.databases.season("1402"), "1402")
        erased: list[str | bytes] = [MARK, *reception.sent]
        after = there.everything()
        there.restore(copy)
        assert len(there.holding(*erased)) == 4
        for _ in range(2):
            there.again()
            assert there.holding(*erased) == []
        assert same(there.everything(), after)


async def test_what_is_not_there_is_named(cluster: Cluster) -> None:
    async with an_archive(cluster) as archive:
        there = archive.there.databases
        with pytest.raises(NotThere, match="no report of the session nobody"):
            there.report("nobody")
        with pytest.raises(NotThere, match="no follow-up nobody has evidence"):
            there.evidence("nobody", id_of(MARK))
        with pytest.raises(NotThere, match="has evidence"):
            there.evidence(archive.other.followup_id, id_of(MARK))


@pytest.mark.parametrize("after", range(12))
async def test_what_breaks_off_anywhere_is_finished_by_the_next_run(
    cluster: Cluster, after: int
) -> None:
    """A season breaks off after each of its writes; then it is run again."""
    async with an_archive(cluster) as archive:
        there = archive.there
        reception = await a_reception(archive.motor, there.namespace)
        await reception.announce(SESSION_ID)
        await reception.submit()
        with contextlib.suppress(AutoReconnect), broken_off(after):
            there.erase(there.databases.season("1402"), "1402")
        there.erase(there.databases.season("1402"), "1402")
        assert there.holding(MARK, *reception.sent) == []
        todo = plan(there.databases.season("1402"), there.databases.recorded())
        assert (todo.unfinished, todo.new) == ([], [])
        for place, documents in there.everything().items():
            if place.endswith("/erasures"):
                assert all(document["done_at"] for document in documents)


@pytest.mark.parametrize("lines", [1, 7, 20])
async def test_a_process_that_is_killed_leaves_what_the_next_one_finishes(
    cluster: Cluster, tmp_path: Path, lines: int
) -> None:
    async with an_archive(cluster) as archive:
        there, followup = archive.there, archive.other
        marks = [f"page {number} to be forgotten".encode() for number in range(30)]
        for mark in marks:
            followup = await archive.civil.put(followup, content(mark))
        followups = there.client[f"{there.namespace}followups_civil"]["followups"]
        followups.update_one({"_id": followup.followup_id}, {"$set": {"session_id": SESSION_ID}})
        journal = tmp_path / "journal.jsonl"
        command = (sys.executable, "-m", "tools.erase", "season", "1402", "--journal", str(journal))
        words = ("--who", "c.ahmadi", "--why", "پایان فصل", "--yes")
        environment = {
            **os.environ,
            "PEYGIR_ENV": "development",
            "PEYGIR_MONGODB_URI": cluster.mongodb_uri,
            "PEYGIR_NAMESPACE": there.namespace,
        }

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen((*command, *words), cwd=PROJECT, env=environment)

        with start() as process:
            while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
                assert process.poll() is None, "it ended before it could be killed"
                await asyncio.sleep(0.001)
            process.kill()
        assert 0 < len(there.holding(*marks, MARK)) <= 2
        with start() as process:
            assert process.wait(60) == 0
        assert there.holding(*marks, OTHER, MARK) == []
        assert {e.subject for e in read(journal)} == {r.erasure.subject for r in recorded(there)}
        assert all(record.is_done for record in recorded(there))

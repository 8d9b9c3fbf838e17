"""Each service starts and works with its own user, and waits where a right is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.certificates import Authority
from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.access.mongodb.secured import Installation
from tests.component.harness import Producer, Service, create_topics, eventually
from tests.component.test_evidence import PDF
from tests.component.test_followups import CIVIL, COORDINATION, approval, followup_of
from tests.component.test_reports import KHORASAN, expectation, report, session

pytestmark = [pytest.mark.secured, pytest.mark.asyncio(loop_scope="module")]

_PDF = b"%PDF-1.7\n" + b"x" * 300_000  # more than a chunk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def topics(secured: Cluster, installation: Installation) -> Topics:
    """Topics on a Kafka beside the secured MongoDB."""
    secured.start("kafka")
    return create_topics(secured, installation.namespace)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def producer(secured: Cluster, topics: Topics) -> AsyncIterator[Producer]:
    async with Producer(secured) as producer:
        yield producer


def _process(installation: Installation, workload: str, folder: Path, **settings: str) -> Service:
    """A process of a workload, with its own login."""
    name = "followups" if workload.startswith("followups") else workload
    return Service(
        name,
        installation.cluster,
        installation.namespace,
        folder,
        **{**_parts(workload), **installation.environment(workload), **settings},
    )


def _parts(workload: str) -> Mapping[str, str]:
    if workload == "followups-api":
        return {"PEYGIR_RUN": "api", "PEYGIR_EVIDENCE_ABANDONED_SECONDS": "60"}
    if workload.startswith("followups-"):
        deputy = workload.removeprefix("followups-")
        return {"PEYGIR_RUN": "consumer,relay,sweeper", "PEYGIR_DEPUTIES": deputy}
    return {}


async def test_follow_ups_are_worked_on_by_separate_users(
    installation: Installation, topics: Topics, producer: Producer, test_folder: Path
) -> None:
    async with AsyncExitStack() as running:
        api, *_ = [
            await running.enter_async_context(_process(installation, name, test_folder))
            for name in ("followups-api", "followups-civil", "followups-crisis")
        ]
        for id_, deputy in (("R-1", "civil"), ("R-2", "crisis")):
            data = approval(id_, deputy=deputy, due_on="2026-11-02")  # late, so it is swept
            topic = topics.resolutions(deputy)
            await producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)
        civil, crisis = await followup_of(api, "R-1"), await followup_of(api, "R-2")
        path = f"/v1/followups/{civil['followup_id']}"  # it keeps its id when it moves

        async def is_late() -> bool:
            return bool((await api.http.get(path)).json()["level"] >= 1)

        await eventually(is_late, 30, "a level of overdue")
        await _ok(api, f"{path}/acknowledge", headers=CIVIL, json={})
        await _ok(api, f"{path}/evidence?name=a.pdf", headers={**PDF, **CIVIL}, content=_PDF)
        move = {"to": "crisis", "reason": "ادغام", "resolution_ids": ["R-1"], "dry_run": False}
        minister = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}
        moved = await _ok(api, "/v1/deputies/civil/move", headers=minister, json=move)
        assert moved["moved"] == 1
        link = {"predecessor": "R-2", "predecessor_deputy": "crisis"}
        await _ok(api, f"{path}/link", headers=COORDINATION, json=link)
        assert crisis["followup_id"] != civil["followup_id"]
        for service in (api, *_):
            assert "is missing" not in service.log
            assert "not authorized" not in service.log


async def test_scheduler_reports_and_notify_work_with_their_own_users(
    installation: Installation, topics: Topics, producer: Producer, test_folder: Path
) -> None:
    async with AsyncExitStack() as running:
        services = {
            name: await running.enter_async_context(_process(installation, name, test_folder))
            for name in ("scheduler", "reports", "notify")
        }
        data = session("s-1")
        await producer.event(topics.sessions, "SessionScheduled", data, key="s-1", id_="s-1")
        await expectation(services["reports"], "s-1")
        await _ok(services["reports"], "/v1/reports", headers=KHORASAN, json=report("s-1"))

        async def invited() -> bool:
            return bool(await services["notify"].items("/v1/notices", subject="s-1"))

        await eventually(invited, 30, "an invitation")
        season = {"season": "1402", "starts_on": "2023-08-14"}
        await _ok(services["scheduler"], "/v1/seasons", headers=COORDINATION, json=season)
        for service in services.values():
            await _published(service)
            assert "is missing" not in service.log
            assert "not authorized" not in service.log


async def test_a_database_without_its_followups_recovers_from_the_topic(
    installation: Installation, topics: Topics, test_folder: Path
) -> None:
    """The user's rights are enough to make all collections anew."""
    with installation.as_administrator() as admin:
        name = f"{installation.namespace}followups_crisis"
        # What moved here has its beginning in the topic of another deputy.
        opened_here = {"former_deputies": None}
        before = {d["_id"] for d in admin[name]["followups"].find(opened_here)}
        assert before
        admin.drop_database(name)
        async with _process(installation, "followups-crisis", test_folder):
            after = {d["_id"] for d in admin[name]["followups"].find()}
    assert after == before


async def test_a_missing_right_is_named_and_waited_for(
    installation: Installation, topics: Topics, test_folder: Path
) -> None:
    space = installation.namespace
    right = {
        "resource": {"db": f"{space}followups_social", "collection": "inbox"},
        "actions": ["createIndex"],
    }
    role = f"{space}followups-social"
    with installation.as_administrator() as admin:
        admin.admin.command("revokePrivilegesFromRole", role, privileges=[right])
        service = _process(installation, "followups-social", test_folder)
        try:
            service.launch()
            line = f"the right to createIndexes in {space}followups_social.inbox is missing"
            await _says(service, line)
            assert line in service.log
            assert "Traceback" not in service.log
            assert "peygir_stalled{" in (metrics := (await service.http.get("/metrics")).text)
            assert 'cause="no-right"' in metrics
            admin.admin.command("grantPrivilegesToRole", role, privileges=[right])
            await service.ready()
            await _loses_a_right_while_it_runs(installation, service, role)
        finally:
            await service.close()


async def _loses_a_right_while_it_runs(
    installation: Installation, service: Service, role: str
) -> None:
    database = f"{installation.namespace}followups_social"
    right = {"resource": {"db": database, "collection": "leases"}, "actions": ["update"]}
    with installation.as_administrator() as admin:
        admin.admin.command("revokePrivilegesFromRole", role, privileges=[right])
        await _says(service, f" in {database}.leases is missing")
        admin.admin.command("grantPrivilegesToRole", role, privileges=[right])
        await service.ready()


async def test_a_wrong_password_is_named_and_waited_for(
    installation: Installation, topics: Topics, test_folder: Path
) -> None:
    with installation.as_administrator() as admin:
        login = installation.login("notify")
        service = _process(
            installation, "notify", test_folder, PEYGIR_MONGODB_PASSWORD="not yet this one"
        )
        try:
            service.launch()
            await _says(service, "MongoDB does not accept the user or its password")
            assert "Traceback" not in service.log
            assert login.password not in service.log
            admin.admin.command("updateUser", login.user, pwd="not yet this one")
            await service.ready()
        finally:
            await service.close()
            admin.admin.command("updateUser", login.user, pwd=login.password)


async def test_a_certificate_of_another_authority_is_named(
    installation: Installation, topics: Topics, test_folder: Path, tmp_path: Path
) -> None:
    other = Authority(tmp_path).certificate
    real = installation.cluster.layout.mongod_authority
    uri = installation.cluster.mongodb_uri.replace(str(real), str(other))
    service = _process(installation, "notify", test_folder, PEYGIR_MONGODB_URI=uri)
    try:
        service.launch()
        await _says(service, "MongoDB's certificate is not accepted")
    finally:
        await service.close()


async def _says(service: Service, text: str) -> None:
    """Wait until `/readyz` gives this reason: degraded if one part waits, 503 if all do."""
    last: tuple[int, Mapping[str, Any]] = (0, {})

    async def said() -> bool:
        nonlocal last
        assert service.process.is_running, service.log[-3000:]
        last = await service.readyz()
        named = any(text in reason for reason in last[1].get("checks", {}).values())
        return named and last[1]["status"] != "ok"

    try:
        await eventually(said, 30, f"/readyz saying {text!r}")
    except AssertionError as error:
        error.add_note(f"{last}\n{service.log[-3000:]}")
        raise


async def _published(service: Service) -> None:
    async def is_out() -> bool:
        metrics = (await service.http.get("/metrics")).text
        lines = [line for line in metrics.splitlines() if line.startswith("peygir_outbox_pending")]
        return all(line.endswith(" 0.0") for line in lines)

    await eventually(is_out, 20, "an empty outbox")


async def _ok(service: Service, path: str, **request: Any) -> Any:
    answer = await service.http.post(path, **request)
    assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
    return json.loads(answer.text)

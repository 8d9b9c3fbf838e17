"""Every command and every example of the documents, run as they stand there.

The output that a document shows for a command is compared with the real one; `…` stands for parts
that differ each time, such as times and ids.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from shared.runtime.signatures import require_signature
from tests.component.harness import eventually, records
from tests.docs.pages import PAGES, Block, blocks, same
from tests.docs.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_RUN: Final[Mapping[str, str]] = {
    "README.md: Try it 1": "the demo takes minutes; tests/e2e runs it",
    "README.md: Try it 2": "what the demo prints; tests/e2e runs it",
    "README.md: Try it 3": "it stays in the foreground; tests/local runs it",
    "README.md: Try it 5": "it takes Keycloak; tests/identity and tests/local run its parts",
    "README.md: Try it 6": "it takes Keycloak; tests/identity and tests/local run its parts",
    "docs/identity.md: People 1": "it takes a provider; tests/identity logs in at a real one",
    "docs/identity.md: People 2": "it takes a provider; tests/identity logs in at a real one",
    "docs/identity.md: Programs 1": "it takes a provider; tests/identity asks a real one",
    "docs/identity.md: Programs 2": "it takes a provider; tests/identity asks a real one",
    "deploy/README.md: Apply 1": "there is no Kubernetes here; tests/deploy renders all of it",
    "deploy/README.md: Secrets 1": "there is no Kubernetes here; tests/access runs the command",
    "deploy/README.md: Secrets 2": "there is no Kubernetes here; tests/access runs the command",
    "docs/audit.md: Verify 1": "tests/access runs it, on a MongoDB with an auditor",
    "docs/audit.md: Export 1": "tests/access runs it, on a MongoDB with an auditor",
    "docs/personal-data.md: When a person has to be forgotten 1": "tests/component runs it",
    "docs/personal-data.md: When a season has to be forgotten 1": "tests/stores erases a season",
    "docs/personal-data.md: Erasing 1": "tests/component runs it, after a restore",
    "deploy/README.md: Deputies 1": "there is no Kubernetes here",
    "docs/kafka-access.md: Connect an integrating system 1": "settings of librdkafka",
    "docs/kafka-access.md: Sign your events 1": "tests/unit/messaging makes such keys",
    "docs/kafka-access.md: Grant the rights 1": "tests/access/kafka runs it on a secured Kafka",
    "docs/kafka-access.md: Quotas 1": "tests/unit/access reads such a file",
    "docs/kafka-access.md: Sources of events 1": "tests/unit/runtime reads such a file",
}
"""Blocks that cannot be run, and why."""

_FLOOD: Final = 250  # more than PEYGIR_FLOOD_MINIMUM


async def _four_letters(stage: Stage) -> None:
    """Two messages that no service can read, and two that come before their approvals."""
    bare = {"resolution_id": "r-118", "deputy": "civil",
            "approved_at": "2026-11-01T10:00:00+03:30", "due_on": "2030-01-01"}  # fmt: skip
    broken = '{"resolution_id": "r-119", "title": "پل" "deputy": "civil"}'
    await stage.send("r-118", "n-118", "ResolutionApproved", json.dumps(bare).encode())
    await _letters(stage, 1)
    await stage.send("r-119", "n-119", "ResolutionApproved", broken.encode())
    await _letters(stage, 2)
    for number, key in enumerate(("r-121", "r-120"), 3):
        amended = {"resolution_id": key, "deputy": "civil", "due_on": "2031-01-01",
                   "amended_at": "2026-11-05T00:00:00Z"}  # fmt: skip
        await stage.send(key, f"a-{key}", "ResolutionAmended", json.dumps(amended).encode())
        await _letters(stage, number)
    await _letters(stage, 2, "notify")


async def _letters(stage: Stage, count: int, service: str = "followups") -> None:
    async def are_there() -> bool:
        return len(await records(stage.cluster, stage.topics.deadletter(service))) >= count

    await eventually(are_there, 30, f"{count} dead letters of {service}")


async def _their_approvals(stage: Stage) -> None:
    for key in ("r-120", "r-121"):
        await stage.approve(key)


async def _a_flood(stage: Stage) -> None:
    sending = (stage.send("flood", f"f-{n}", "ResolutionApproved", b"{}") for n in range(_FLOOD))
    await asyncio.gather(*sending)

    async def is_paused() -> bool:
        return bool(await stage.services["followups"].items("/v1/subscriptions"))

    await eventually(is_paused, 60, "the pause")


async def _five_of_a_province(stage: Stage) -> None:
    for number in range(5):
        await stage.approve(f"inspected-{number}", province="IR-07")


async def _two_of_social(stage: Stage) -> None:
    for number in range(2):
        await stage.approve(f"social-{number}", "social")


async def _a_session(stage: Stage) -> None:
    scheduler = stage.services["scheduler"].http
    body = {
        "session_id": "1402-IR-09",
        "kind": "provincial",
        "provinces": ["IR-09"],
        "title": "نشست تخصصی استان خراسان رضوی",
        "mode": "webinar",
        "starts_at": "2024-03-11T09:00:00+03:30",
        "ends_at": "2024-03-11T13:00:00+03:30",
    }
    for path, sent in (("sessions", body), ("sessions/1402-IR-09/open", None)):
        answer = await scheduler.post(f"/v1/{path}", json=sent)
        assert answer.is_success, answer.text


BEFORE: Final[Mapping[str, Callable[[Stage], Awaitable[None]]]] = {
    "docs/dead-letters.md: Look 1": _four_letters,
    "docs/dead-letters.md: Replay 1": _their_approvals,
    "docs/dead-letters.md: A flood 1": _a_flood,
    "docs/http.md: Sending a request again 1": _a_session,
    "docs/inspection.md: Samples for inspection 1": _five_of_a_province,
    "docs/runbook.md: Merging or dissolving deputies 1": _two_of_social,
}
"""What has to have happened before a block is run."""

BODIES: Final[Mapping[str, Any]] = {
    "docs/http.md: Sending a request again 1": {
        "resolutions": [{"title": "تکمیل پل", "deputy": "civil", "due_on": "2030-01-01"}]
    },
}
"""The bodies of requests that a page shows without one."""


async def _is_followed(stage: Stage, _block: Block, _code: Any) -> None:
    await stage.followed("my-1")


async def _is_a_repetition(stage: Stage, block: Block, first: Any) -> None:
    again = await stage.request(stage.here(block.text), BODIES[block.name])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content


async def _signs_as_the_code_does(_stage: Stage, _block: Block, code: Mapping[str, Any]) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    attributes = {"ce_id": "1", "ce_source": "/x", "content-type": "application/json"}
    headers = [(n, t.encode()) for n, t in code["signed"](pem, b"k", b"{}", attributes).items()]
    require_signature([key.public_key()], b"k", headers, b"{}")


async def _draws_the_same(stage: Stage, _block: Block, code: Mapping[str, Any]) -> None:
    followups = stage.services["followups"]
    ids = [item["followup_id"] for item in await followups.items("/v1/followups", province="IR-07")]
    seed = "قرعه‌ی ۱۴۰۲/۱۲/۲۱"
    asked = {"seed": seed, "size": "3", "state": "opened", "province": "IR-07"}
    answer = (await followups.http.get("/v1/inspections", params=asked)).json()
    assert [item["followup_id"] for item in answer["items"]] == code["draw"](seed, 3, ids)
    assert answer["digest"] == code["digest"](ids)


AFTER: Final[Mapping[str, Callable[[Stage, Block, Any], Awaitable[None]]]] = {
    "README.md: Try it 7": _is_followed,
    "docs/http.md: Sending a request again 1": _is_a_repetition,
    "docs/inspection.md: Samples for inspection 2": _draws_the_same,
    "docs/kafka-access.md: Sign your events 2": _signs_as_the_code_does,
}
"""What has to hold after a block was run; each gets its answer, or its names."""

# The letters of this page are the first records of their partitions.
ORDER: Final = sorted(
    (page for page in PAGES if blocks(page)), key=lambda page: page.name != "dead-letters.md"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Stage]:
    async with staged(cluster, namespace, topics, test_folder) as stage:
        yield stage


async def test_whatever_is_named_here_is_a_block_of_a_page() -> None:
    names = {block.name for page in PAGES for block in blocks(page)}
    for named in (NOT_RUN, BEFORE, BODIES, AFTER):
        assert named.keys() <= names


@pytest.mark.parametrize("page", ORDER, ids=lambda page: str(page.relative_to(PROJECT)))
async def test_a_page_says_what_happens(page: Path, stage: Stage) -> None:
    faults: list[str] = []
    for block in blocks(page):
        if block.name in NOT_RUN:
            continue
        if block.name in BEFORE:
            await BEFORE[block.name](stage)
        came_to = await _run(block, stage, faults)
        if block.name in AFTER:
            await AFTER[block.name](stage, block, came_to)
    assert not faults, "\n\n".join(faults)


async def _run(block: Block, stage: Stage, faults: list[str]) -> Any:
    """Run a block, and add what differs from the page to `faults`."""
    match block.language:
        case "" if block.is_console:
            for command in block.commands():
                code, output = await stage.console(command.text)
                refused = '"type":"urn:' in output
                if (code or refused) and not command.printed:
                    faults.append(f"{block.name}\n$ {command.text}\nexit code {code}\n{output}")
                elif command.printed and not same(command.printed, output):
                    faults.append(f"{block.name}\n$ {command.text}\n{output}")
        case "" if block.is_request:
            answer = await stage.request(stage.here(block.text), BODIES.get(block.name))
            if not answer.is_success:
                faults.append(f"{block.name}\n{answer.status_code} {answer.text}")
            return answer
        case "python":
            code_of: dict[str, Any] = {}
            await asyncio.to_thread(exec, stage.here(block.text), code_of)
            return code_of
        case "json":
            return json.loads(block.text)
        case "yaml":
            return list(yaml.safe_load_all(block.text))
        case _:
            faults.append(f"{block.name}: no test runs it; give the reason in NOT_RUN")
    return None

"""tools.deadletter, as an operator uses it, against the service `followups`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from tests.component.harness import (
    Producer,
    Service,
    binary,
    eventually,
    records,
)
from tests.component.test_followups import POISON, approval, followup_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = ("--who", "س. کریمی", "--why", "عنوان در نامه جا افتاده بود")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Tool:
    """`python -m tools.deadletter` as a process of its own."""

    def __init__(self, cluster: Cluster, namespace: str, service: Service) -> None:
        self._environment = {
            **os.environ,
            "PEYGIR_ENV": "development",
            "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
            "PEYGIR_MONGODB_URI": cluster.mongodb_uri,
            "PEYGIR_NAMESPACE": namespace,
            "PEYGIR_API": str(service.http.base_url),
        }

    async def start(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tools.deadletter", *arguments),
            cwd=PROJECT,
            env={**self._environment, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def end(self, process: asyncio.subprocess.Process) -> Said:
        out, err = await asyncio.wait_for(process.communicate(), 90)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, **environment: str) -> Said:
        return await self.end(await self.start(*arguments, **environment))

    async def letters(self) -> dict[str, dict[str, Any]]:
        """The list, by origin."""
        said = await self("list", "--json")
        assert said.code == 0, said.err
        found = {letter["origin"]: letter for letter in said.json["letters"]}
        assert len(found) == len(said.json["letters"]), "a letter is listed twice"
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    async with Service(
        "followups",
        cluster,
        namespace,
        test_folder,
        PEYGIR_DEPUTIES="civil",
        PEYGIR_FLOOD_SHARE="1",  # poison alone is no flood here
        PEYGIR_DEFERRED_SECONDS="0",
    ) as service:
        yield service


@pytest.fixture(scope="module")
def tool(cluster: Cluster, namespace: str, service: Service) -> Tool:
    return Tool(cluster, namespace, service)


async def letters_of(cluster: Cluster, topics: Topics, *keys: str) -> list[str]:
    """Wait for the dead letters of keys; return their origins."""

    async def found() -> list[str]:
        origins = {}
        for record in await records(cluster, topics.deadletter("followups")):
            notes = dict(record.headers)
            origins[record.key.decode()] = "/".join(
                notes[f"x-origin-{part}"].decode() for part in ("topic", "partition", "offset")
            )
        return [origins[key] for key in keys] if origins.keys() >= set(keys) else []

    return await eventually(found, 30, f"the dead letters of {', '.join(keys)}")


async def letter_of(cluster: Cluster, topics: Topics, key: str) -> str:
    """Wait for the dead letter of a key; return its origin."""
    return (await letters_of(cluster, topics, key))[0]


async def without_title(producer: Producer, topics: Topics, key: str) -> None:
    """An approval that was sent without its title."""
    data = approval(key)
    del data["title"]
    await producer.event(topics.resolutions("civil"), "ResolutionApproved", data, key=key, id_=key)


async def test_each_letter_is_listed_once_with_its_reason_and_shown_with_its_error(
    cluster: Cluster, producer: Producer, topics: Topics, tool: Tool
) -> None:
    for name, (value, headers, _reason) in POISON.items():
        await producer.send(
            topics.resolutions("civil"), value, key=name, headers=[*headers, ("x", b"\xfe")]
        )
    origins = dict(zip(POISON, await letters_of(cluster, topics, *POISON), strict=True))
    (twice,) = [
        record
        for record in await records(cluster, topics.deadletter("followups"))
        if record.key == b"null"
    ]
    await producer.send(
        topics.deadletter("followups"), twice.value, key="null", headers=twice.headers
    )

    said = await tool("list", "--json")
    letters = {letter["origin"]: letter for letter in said.json["letters"]}
    assert len(letters) == len(said.json["letters"]) == len(POISON)
    for name, (_value, _headers, reason) in POISON.items():
        letter = letters[origins[name]]
        assert (letter["reason"], letter["state"], letter["attempts"]) == (reason, "open", 1)
        assert letter["written"] == (2 if name == "null" else 1)
    times = [letter["failed_at"] for letter in said.json["letters"]]
    assert times == sorted(times, reverse=True)
    groups = {group["name"]: group["count"] for group in said.json["groups"]}
    assert groups["invalid"] == sum(reason == "invalid" for _, _, reason in POISON.values()) > 1
    assert sum(groups.values()) == len(POISON)
    by_topic = (await tool("list", "--json", "--group-by", "topic")).json["groups"]
    assert [group["name"] for group in by_topic] == [topics.resolutions("civil")]

    shown = (await tool("show", origins["broken"])).out
    assert '{"resolution_id": ⟦HERE⟧' in shown
    assert "line 1, column 19" in shown
    shown = (await tool("show", origins["no-title"])).out
    assert '  "title": " ",   ⟵ title: must not be blank' in shown
    assert "x: \\xfe" in shown
    shown = (await tool("show", origins["province"])).out
    assert '"title": "تکمیل پل روستای سرآسیاب"' in shown
    assert '"province": "IR-99"   ⟵ province: ' in shown
    shown = (await tool("show", origins["no-type"])).out
    assert "missing-attribute: type" in shown
    plain = (await tool("list", "--reason", "null-value")).out
    assert plain.count(origins["null"]) == 1


async def test_a_mended_letter_is_followed_once_and_its_original_never_goes(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool
) -> None:
    await without_title(producer, topics, "mend")
    origin = await letter_of(cluster, topics, "mend")

    said = await tool("mend", origin, "--set", "due_on=1403", *WHO)
    assert (said.code, "still invalid: title: Field required" in said.err) == (1, True)
    said = await tool("mend", origin, "--set", "title=آبرسانی به روستای کهنوج", *WHO)
    assert said.code == 0, said.err
    assert '+  "title": "آبرسانی به روستای کهنوج"' in said.out
    said = await tool("discard", origin, "--who", "دیگری", "--why", "لازم نیست")
    assert said.code == 1
    assert "mended by س. کریمی" in said.err
    assert (await tool("discard", origin, "--revision", "7", *WHO)).code == 1

    said = await tool("replay", origin, "--json")
    assert [result["became"] for result in said.json] == ["applied"], said.err
    item = await followup_of(service, "mend")
    assert (item["title"], item["version"]) == ("آبرسانی به روستای کهنوج", 1)

    said = await tool("replay", origin)
    assert said.code == 0
    assert "duplicate (it had gone before" in said.out
    assert (await followup_of(service, "mend"))["version"] == 1
    assert (await tool("mend", origin, "--set", "title=x", *WHO)).code == 1

    replays = [
        dict(record.headers)
        for record in await records(cluster, topics.replay("followups"))
        if record.key == b"mend"
    ]
    assert len(replays) == 2
    assert {sent["ce_id"] for sent in replays} == {replays[0]["ce_id"]} != {b"mend"}
    for sent in replays:
        assert sent["mended_from"].decode() == origin
        assert (sent["mended_by"].decode(), sent["mended_because"].decode()) == (WHO[1], WHO[3])
    shown = (await tool("show", origin, "--json")).json
    assert [deed["what"] for deed in shown["deeds"]] == ["mended", "replayed", "replayed"]
    assert [deed["why"] for deed in shown["deeds"][1:]] == ["applied", "duplicate"]
    assert shown["deeds"][0]["by"] == WHO[1]
    assert shown["state"] == "replayed: applied"


async def test_a_body_from_a_file_or_an_editor_mends_what_is_no_json(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool,
    test_folder: Path,
) -> None:  # fmt: skip
    origins = []
    for key in ("by-file", "by-editor"):
        body = json.dumps(approval(key), ensure_ascii=False).encode()[:-1]
        await producer.send(
            topics.resolutions("civil"), body, key=key, headers=binary("ResolutionApproved", key)
        )
        origins.append(await letter_of(cluster, topics, key))
    said = await tool("mend", origins[0], "--set", "title=x", *WHO)
    assert (said.code, "give it whole" in said.err) == (1, True)
    file = test_folder / "body.json"
    file.write_text(json.dumps(approval("by-file"), ensure_ascii=False))
    assert (await tool("mend", origins[0], "--file", str(file), *WHO)).code == 0
    editor = test_folder / "editor.sh"
    editor.write_text('printf "}" >> "$1"\n')
    said = await tool("mend", origins[1], "--edit", *WHO, VISUAL="", EDITOR=f"sh {editor}")
    assert said.code == 0, said.err
    said = await tool("replay", *origins, "--json")
    assert [result["became"] for result in said.json] == ["applied", "applied"]
    for key in ("by-file", "by-editor"):
        assert (await followup_of(service, key))["title"] == approval(key)["title"]


async def test_a_letter_refused_again_is_listed_once_with_another_attempt(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool
) -> None:
    await without_title(producer, topics, "stubborn")
    origin = await letter_of(cluster, topics, "stubborn")
    await producer.event(
        topics.resolutions("civil"),
        "ResolutionWithdrawn",
        {"resolution_id": "late", "deputy": "civil", "withdrawn_at": "2026-11-02T00:00:00Z"},
        key="late",
        id_="late",
    )
    behind = await letter_of(cluster, topics, "late")
    said = await tool("replay", origin, behind)
    assert said.code == 1
    assert "refused again" in said.out
    assert "1 not sent, they are as they were" in said.err
    assert f"stopped at {origin}: invalid: title: Field required" in said.err
    letters = await tool.letters()
    assert letters[origin]["attempts"] == 2
    assert (letters[origin]["state"], letters[origin]["reason"]) == (
        "replayed: refused again",
        "invalid",
    )
    assert letters[behind]["state"] == "open"

    assert (await tool("mend", origin, "--set", "title=عنوان", *WHO)).code == 0
    assert (await tool("replay", origin, "--json")).json[0]["became"] == "applied"
    assert (await followup_of(service, "stubborn"))["title"] == "عنوان"
    assert (await tool.letters())[origin]["state"] == "replayed: applied"

    assert (await tool("discard", behind, *WHO)).code == 0
    said = await tool("replay", behind)
    assert (said.code, "it was discarded" in said.err) == (1, True)


async def test_an_amendment_that_came_too_early_applies_once_its_approval_is_there(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool
) -> None:
    topic = topics.resolutions("civil")
    amended = {"resolution_id": "early", "deputy": "civil", "amended_at": "2026-11-05T00:00:00Z"}
    first = {**amended, "due_on": "2031-01-01"}
    await producer.event(topic, "ResolutionAmended", first, key="early", id_="a")
    origin = await letter_of(cluster, topics, "early")
    await producer.event(topic, "ResolutionApproved", approval("early"), key="early", id_="1")
    await followup_of(service, "early")

    assert (await tool("replay", origin, "--json")).json[0]["became"] == "applied"
    item = await followup_of(service, "early")
    assert (item["due_on"], item["version"]) == ("2031-01-01", 2)
    second = {**amended, "due_on": "2032-01-01"}
    await producer.event(topic, "ResolutionAmended", second, key="early", id_="b")

    async def again() -> bool:
        return bool((await followup_of(service, "early"))["version"] == 3)

    await eventually(again, 20, "the second amendment")
    (result,) = (await tool("replay", origin, "--json")).json
    assert (result["became"], result["again"]) == ("duplicate", True)
    item = await followup_of(service, "early")
    assert (item["due_on"], item["version"]) == ("2032-01-01", 3)


async def test_of_two_operators_one_hears_that_the_other_was_faster(
    cluster: Cluster, producer: Producer, topics: Topics, tool: Tool, test_folder: Path
) -> None:
    await without_title(producer, topics, "both")
    origin = await letter_of(cluster, topics, "both")
    opened, go = test_folder / "opened", test_folder / "go"
    os.mkfifo(go)
    editor = test_folder / "slow.sh"
    editor.write_text(f"cp {test_folder}/both.json $1; : > {opened}; cat {go} > /dev/null\n")
    (test_folder / "both.json").write_text(json.dumps(approval("both")))
    slow = await tool.start("mend", origin, "--edit", *WHO, VISUAL="", EDITOR=f"sh {editor}")

    async def is_open() -> bool:
        return opened.exists()

    await eventually(is_open, 30, "the editor being open")
    fast = await tool("mend", origin, "--set", "title=اول", "--who", "زهرا", "--why", "سریع‌تر")
    assert fast.code == 0, fast.err
    await asyncio.to_thread(go.write_text, "")
    said = await tool.end(slow)
    assert said.code == 1
    assert "was mended by زهرا" in said.err
    assert "(سریع‌تر)" in said.err
    shown = (await tool("show", origin, "--json")).json
    assert json.loads(shown["mended"]["value"])["title"] == "اول"
    assert shown["revision"] == 1
    again = ("mend", origin, "--set", "title=دوم", *WHO)
    assert (await tool(*again)).code == 1
    assert (await tool(*again, "--revision", "1")).code == 0


async def test_ctrl_c_loses_nothing(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool
) -> None:
    for name in ("one", "two", "three"):
        key = f"stop-{name}"
        data = {"resolution_id": key, "deputy": "civil", "amended_at": "2026-11-05T00:00:00Z"}
        await producer.event(
            topics.resolutions("civil"),
            "ResolutionAmended",
            {**data, "title": "عنوان تازه"},
            key=key,
            id_=key,
        )
    origins = [await letter_of(cluster, topics, f"stop-{name}") for name in ("one", "two", "three")]
    for name in ("one", "two", "three"):
        await producer.event(
            topics.resolutions("civil"),
            "ResolutionApproved",
            approval(f"stop-{name}"),
            key=f"stop-{name}",
            id_=f"approve-{name}",
        )
        await followup_of(service, f"stop-{name}")
    process = await tool.start("replay", *origins, "--rate", "0.1")
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    assert first == f"{origins[0]}: applied\n"
    process.send_signal(signal.SIGINT)
    said = await tool.end(process)
    assert (said.code, said.out) == (130, "")
    assert "2 not sent, they are as they were" in said.err
    letters = await tool.letters()
    assert [letters[origin]["state"] for origin in origins] == [
        "replayed: applied",
        "open",
        "open",
    ]

    service.kill()
    await service.died()
    said = await tool("replay", origins[1])
    assert (said.code, "does not answer" in said.err) == (1, True)
    assert len(await tool.letters()) == len(letters)
    await service.start(PEYGIR_RUN="api")  # nobody takes it
    said = await tool("replay", origins[1], "--timeout", "1")
    assert said.code == 1
    assert "no answer within 1 s" in said.err
    assert (await tool.letters())[origins[1]]["state"] == "replayed: no answer yet"
    service.stop()
    await service.start()

    async def answered() -> bool:
        return bool((await tool.letters())[origins[1]]["state"] == "replayed: applied")

    await eventually(answered, 60, "the answer to a replay that nobody waited for")
    said = await tool("replay", *origins, "--rate", "100", "--json")
    assert [r["became"] for r in said.json] == ["duplicate", "duplicate", "applied"]
    for name in ("one", "two", "three"):
        item = await followup_of(service, f"stop-{name}")
        assert (item["title"], item["version"]) == ("عنوان تازه", 2)


async def test_a_flood_closes_its_topic_within_the_batch_and_resume_goes_on_with_nothing_lost(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics, tool: Tool
) -> None:
    service.stop()
    topic = topics.resolutions("civil")
    for number in range(8):
        await producer.send(
            topic, b"{", key="flood", headers=binary("ResolutionApproved", str(number))
        )
    await producer.event(topic, "ResolutionApproved", approval("dry"), key="flood", id_="d")
    await service.start(PEYGIR_FLOOD_MINIMUM="5", PEYGIR_FLOOD_SHARE="0.5")

    async def paused() -> str:
        return (await tool("paused")).out

    async def is_paused() -> bool:
        return f"\t{topic}\n" in await paused()

    async def flooded() -> set[bytes]:
        letters = await records(cluster, topics.deadletter("followups"))
        return {dict(r.headers)["x-origin-offset"] for r in letters if r.key == b"flood"}

    group = f"{topics.sessions.partition('peygir')[0]}followups-civil"
    await eventually(is_paused, 60, "the pause")
    shown = (await service.http.get("/metrics")).text
    assert f'peygir_subscription_paused{{group="{group}"}} 1.0' in shown
    assert f'peygir_topic_paused{{group="{group}",topic="{topic}"}} 1.0' in shown
    await without_title(producer, topics, "wet")
    said = await tool("resume", "--group", "followups-social")
    assert (said.code, "is not paused" in said.err) == (1, True)
    said = await tool("resume", "--group", "followups-civil", "--topic", topics.sessions)
    assert (said.code, "is not paused" in said.err) == (1, True)
    async with httpx.AsyncClient(base_url=service.http.base_url) as somebody:
        answer = await somebody.post(
            f"/v1/subscriptions/{group}/resume", headers={"X-Peygir-Roles": "deputy:civil"}
        )
        assert answer.status_code == 403
    assert await service.items("/v1/followups", resolution_id="dry") == []
    assert len(await flooded()) == 5
    said = await tool("resume", "--group", "followups-civil", "--topic", topic)
    assert said.out == f"{topic} of followups-civil goes on\n"
    await followup_of(service, "dry")
    assert not await is_paused()
    letters = (await tool.letters()).values()
    assert sum(letter["reason"] == "broken-json" for letter in letters) >= 8
    await letter_of(cluster, topics, "wet")
    assert len(await flooded()) == 8

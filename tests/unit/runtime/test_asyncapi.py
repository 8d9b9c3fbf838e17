"""The AsyncAPI document: its structure, and its agreement with the contracts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.contracts.events import EVENTS
from shared.contracts.topics import Topics
from shared.runtime.asyncapi import UnknownTopic, asyncapi

TOPICS = Topics(("civil", "crisis"))
ALL = [spec.name for spec in TOPICS.all()]
COMPONENT_NAME = re.compile(r"[\w.\-]+", re.ASCII)


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    document = asyncapi("followups", ALL[:2], ALL, TOPICS, "1.2.3")
    written: dict[str, Any] = json.loads(json.dumps(document))
    return written


def references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def found(spec: dict[str, Any], reference: str) -> Any:
    node: Any = spec
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_the_required_parts_are_there(spec: dict[str, Any]) -> None:
    assert spec["asyncapi"] == "3.0.0"
    assert spec["id"] == "urn:peygir:followups"
    assert spec["info"]["title"]
    assert spec["info"]["version"] == "1.2.3"
    allowed = {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert spec.keys() <= allowed


def test_every_reference_has_a_target(spec: dict[str, Any]) -> None:
    all_of_them = list(references(spec))
    assert all_of_them
    for reference in all_of_them:
        assert found(spec, reference) is not None


def test_operations_refer_to_channels_and_to_messages_of_that_channel(
    spec: dict[str, Any],
) -> None:
    for operation in spec["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert re.fullmatch(r"#/channels/[^/]+", channel)
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_component_names_are_of_the_allowed_characters(spec: dict[str, Any]) -> None:
    for kind in spec["components"].values():
        for name in kind:
            assert COMPONENT_NAME.fullmatch(name)


def test_what_is_sent_and_what_is_received(spec: dict[str, Any]) -> None:
    operations = {(o["action"], o["channel"]["$ref"]) for o in spec["operations"].values()}
    assert operations == {("send", f"#/channels/{name}") for name in ALL[:2]} | {
        ("receive", f"#/channels/{name}") for name in ALL
    }


def test_topics_are_as_declared(spec: dict[str, Any]) -> None:
    for topic in TOPICS.all():
        channel = spec["channels"][topic.name]
        assert channel["address"] == topic.name
        kafka = channel["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert topic.owner in channel["description"]
        policy = kafka["topicConfiguration"].get("cleanup.policy")
        assert policy is None or policy == topic.config["cleanup.policy"].split(",")
        names = [event.__name__ for event in topic.events] or ["Untouched"]
        assert list(channel["messages"]) == names


@pytest.mark.parametrize("type_", EVENTS)
def test_messages_are_the_contracts_events(spec: dict[str, Any], type_: str) -> None:
    event = EVENTS[type_]
    if not any(event in topic.events for topic in TOPICS.all()):
        pytest.fail(f"{type_} belongs to no topic")
    message = spec["components"]["messages"][event.__name__]
    assert message["name"] == event.TYPE == type_
    payload = found(spec, message["payload"]["$ref"])
    assert set(payload["properties"]) == set(event.model_fields)
    required = {name for name, field in event.model_fields.items() if field.is_required()}
    assert set(payload.get("required", ())) == required
    Draft202012Validator.check_schema(payload)
    headers = message["headers"]["allOf"]
    assert {"$ref": "#/components/schemas/CloudEventHeaders"} in headers
    assert headers[1]["properties"]["ce_type"]["const"] == type_


def test_a_namespace_is_part_of_the_addresses() -> None:
    topics = Topics(("civil",), "site1-")
    names = [spec.name for spec in topics.all()]
    document = asyncapi("followups", names, (), topics, "1")
    assert all(c["address"].startswith("site1-") for c in document["channels"].values())


def test_an_undeclared_topic_is_refused() -> None:
    with pytest.raises(UnknownTopic, match="nowhere"):
        asyncapi("followups", ["nowhere"], (), TOPICS, "1")

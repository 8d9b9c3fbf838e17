"""Writes what integrators read of the events: a JSON Schema each, and a page about all of them.

./peygir schemas           write docs/events
./peygir schemas --check   exit code 1 if docs/events is not what it would write
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.contracts.events import EVENTS, EventData
from shared.contracts.topics import Topics, TopicSpec

_PROJECT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = _PROJECT / "docs" / "events"
SAMPLES: Final = _PROJECT / "tests" / "contracts" / "samples"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_INTRODUCTION: Final = """\
# Events

Made by `./peygir schemas` from the contracts; the examples are recorded messages.

An event is a Kafka record: a CloudEvent 1.0 in its [Kafka protocol binding][binding], whose data
is a JSON object. Peygir writes binary mode and reads binary and structured mode
(`application/cloudevents+json`). Other systems have to give `specversion`, `id`, `source` and
`type` only; any other attribute that cannot be read is ignored. `ce_sequence` is the version of the
aggregate and comes only from its owner. Other headers may hold any bytes.
Publish with `acks=all`: the answer then says that most of the brokers that keep the topic hold the
record. The record's own timestamp is the broker's, whatever its producer gives. `ce_time` and the
data say when something happened.

[binding]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md

`<deputy>` stands for the id of a deputy, such as `civil`.

## Data

- A field that is not required may be left out or null. Unknown fields are ignored.
- An instant is text of RFC 3339 with an offset, a day is text like `2024-03-11`, both of the
  Gregorian calendar and of the years 1900 to 2199. Numbers are not times.
- A text keeps no control characters and nothing else that is invisible, and a title or a name has
  to show something: [what may be sent](../inputs.md).
- Numbers are JSON numbers and booleans JSON booleans, not text; whole numbers have no fraction.
- A version changes only by optional fields. A change that would break a reader is a new version.
- The data is JSON in UTF-8. A byte order mark before it is ignored; UTF-16 and UTF-32 are not read,
  nor are NaN and Infinity. If a name comes twice in an object, the last one counts.
- An event that breaks these rules goes, unchanged, to the dead letters of the service that read it,
  and `EventRejected` tells its sender why.

## Envelope

- Names of headers are read in any case. Values are UTF-8; nothing in them is percent-encoded, and
  blanks are part of them. An id has 1 to 1,024 characters, blanks and Persian letters among them.
- `content-type` is any, or none, in binary mode: it may be null, empty or unreadable. Without one,
  and without attributes in headers, the value is read as structured mode, as the binding says; if
  the two differ, attributes in headers mean binary mode. Batches
  (`application/cloudevents-batch+json`), Avro and XML are refused: `unsupported-content-type`.
- `specversion` is `1.0` and nothing else (`1.0.2` is a version of the text, not of events).
- In structured mode `data` is the JSON object itself, not a text that holds it, or `data_base64`.
- `traceparent` is W3C Trace Context; one that is not valid is not passed on.

## Rejections

If you have sent an event that cannot be read or applied, look into `peygir.rejections.v1` under the
key of your own `source`; if no `source` could be read, the key is `unknown`. `EventRejected` holds

- `topic`, `partition` and `offset`: where the event stands. Its data and its other headers are not
  repeated; read them there;
- `reason` and `detail`: why it was refused;
- `service`: which service refused it;
- `id`, `type`, `source` and `subject` of the event, each if it could be read, else null, whichever
  part of the event is broken.

Each service that refuses an event sends one: if two services read a topic, one mistake brings two
`EventRejected` with the same `topic`, `partition` and `offset`. `service` and `ce_source` tell them
apart; do not compare `ce_id` alone. A service sends another one for the same event in two cases: if
it was killed before it could note the first, and if the event was sent back to it
([replay](../dead-letters.md#replay)) and is refused again. The `ce_id` is the same if the reason is
the same, and another one otherwise.

## Duplicates

*Events that you read.* An event may stand in a topic more than once, with the same `ce_source`, the
same `ce_id` and the same data: a service that is killed between sending and noting it sends it
again, and a follow-up that moves to another deputy brings its whole history into the topic of that
deputy. Take each pair of `ce_source` and `ce_id` once. `ce_sequence` numbers the events of an
aggregate; ignore a number that you have had from that topic.

*Events that you send.* Send an event again, unchanged, if you do not know whether it arrived. An
approval is recognised by its `resolution_id` and its data, whatever its `ce_id`: the same data is a
duplicate without effect, other data is refused as `conflict`. An amendment or a withdrawal is
recognised by `ce_source` and `ce_id` for 400 days: a second one with the same pair has no effect,
whatever it says. So give each amendment an id of its own.

## Reading again, from the beginning or from a day

Topics keep their records for ever. Within a partition they are in the order in which they were
written, and their timestamps are the broker's, so any client can begin at a day: it asks for the
offset of that time (`offsetsForTimes`, `kafka-consumer-groups --reset-offsets --to-datetime`).

That gives every record that was *written* since then. An event is written after it happened, so
nothing that happened since then is missing; begin some minutes earlier, since clocks differ. But
records about earlier days are among them: of a service that was away and sends late, and the
history of follow-ups that moved. `ce_time` says when an event happened.

An event tells one change and not the whole state. For the state at the end of a day, read the topic
from its beginning and take the events whose `ce_time` is not after that day.

## Every event
"""


def schema(event: type[EventData]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data, as it is read."""
    return {"$schema": _DIALECT, "$id": event.DATASCHEMA, **event.model_json_schema()}


def documents() -> dict[str, str]:
    """Every file of docs/events by its name."""
    written = {
        _file(event): json.dumps(schema(event), ensure_ascii=False, indent=2) + "\n"
        for event in EVENTS.values()
    }
    written["README.md"] = "\n".join(_page()) + "\n"
    return written


def differences(folder: Path) -> list[str]:
    """Names of the files that are missing, stale or nobody's."""
    wanted = documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}
    return sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))


def _page() -> Iterator[str]:
    specs = _topics()
    yield _INTRODUCTION
    yield "| event | `ce_type` | topic | key | owner | required fields |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for event in EVENTS.values():
        topics = specs[event.TYPE]
        names = " ".join(f"`{spec.name}`" for spec in topics)
        required = ", ".join(schema(event).get("required", ()))
        yield (
            f"| [{event.__name__}](#{event.__name__.lower()}) | `{event.TYPE}` | {names} "
            f"| {topics[0].key_of(event)} | {topics[0].owner} | {required} |"
        )
    for event in EVENTS.values():
        yield from _section(event)


def _section(event: type[EventData]) -> Iterator[str]:
    sample = json.loads((SAMPLES / _name(event) / "0001.json").read_text(encoding="utf-8"))
    yield f"\n## {event.__name__}\n"
    yield f"{cleandoc(event.__doc__ or '')} [Schema]({_file(event)}).\n"
    yield f"Key `{sample['key']}`\n"
    yield _block("text", "\n".join(f"{name}: {text}" for name, text in sample["headers"].items()))
    yield ""
    yield _block("json", json.dumps(sample["value"], ensure_ascii=False, indent=2))


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _topics() -> Mapping[str, list[TopicSpec]]:
    specs = Topics(["<deputy>"]).all()
    return {
        event.TYPE: [spec for spec in specs if event in spec.events] for event in EVENTS.values()
    }


def _name(event: type[EventData]) -> str:
    return f"{event.__name__}.v1"


def _file(event: type[EventData]) -> str:
    return f"{_name(event)}.schema.json"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")
    ] = False,
) -> None:
    """Write JSON Schemas of all events, and a page about them, to docs/events."""
    if check:
        stale = differences(DOCS)
        for name in stale:
            typer.echo(f"docs/events/{name} is stale; run ./peygir schemas", err=True)
        raise typer.Exit(bool(stale))
    DOCS.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    for path in DOCS.glob("*"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} files in docs/events")


if __name__ == "__main__":
    app()

"""The tables in docs/kafka-access.md, from the data; as a program it writes them there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.contracts.topics import Topics
from shared.runtime.integrators import Integrator
from tools.access.quotas import DEFAULTS, NAMES, REASONS
from tools.access.rights import Grantee, Resource, grantees

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "kafka-access.md"

_DEPUTY: Final = "‹deputy›"
_OTHER: Final = "‹other›"
_EXAMPLE: Final = Integrator("‹name›", frozenset({"/x"}), frozenset({_DEPUTY}))


def page(text: str) -> str:
    """The page with the present tables."""
    for name, table in (("quotas", quotas()), ("rights", rights())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table}{end}{rest.partition(end)[2]}"
    return text


def quotas() -> str:
    """The default quotas, as Markdown."""
    names = " | ".join(f"`{name}`" for name in NAMES)
    lines = [f"| kind | {names} | because |", "| --- | --- | --- | --- | --- |"]
    for kind, quota in DEFAULTS.items():
        limits = " | ".join(f"{limit:,}" for limit in quota.limits().values())
        lines.append(f"| `{kind}` | {limits} | {REASONS[kind]} |")
    return "\n".join(lines) + "\n"


def rights() -> str:
    """The rights of an installation with any deputy, as Markdown."""
    topics = Topics((_DEPUTY, _OTHER))
    every = {spec.name for spec in topics.all() if _OTHER not in spec.name}
    lines = ["| user | may | on | because |", "| --- | --- | --- | --- |"]
    for one in grantees(topics, [_EXAMPLE]):
        if one.user != f"followups-{_OTHER}":
            lines += _rows(one, every)
    return "\n".join(lines) + "\n"


def _rows(grantee: Grantee, every: set[str]) -> Iterator[str]:
    """A row for all resources on which a user may do the same for the same reasons."""
    own = _DEPUTY in grantee.user
    by_resource: dict[Resource, tuple[list[str], list[str]]] = {}
    for right in grantee.rights:
        if own or _OTHER not in right.resource.name:
            operations, whys = by_resource.setdefault(right.resource, ([], []))
            operations.append(right.operation)
            whys += [right.why] if right.why not in whys else []
    rows: dict[tuple[str, str, str], list[str]] = {}
    for resource, (operations, whys) in by_resource.items():
        key = (resource.type.value, ", ".join(operations), "; ".join(whys))
        rows.setdefault(key, []).append(resource.name + ("…" if resource.prefixed else ""))
    for (type_, may, because), names in rows.items():
        shown = ", ".join(f"`{name}`" for name in names)
        on = "every topic" if set(names) == every else f"{type_} {shown}"
        yield f"| `{grantee.user}` | {may} | {on} | {because} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

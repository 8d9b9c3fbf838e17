"""What each workload may do in MongoDB: the collections that its code uses, and how.

Nobody may drop a collection or change a document's history: no workload may remove anything from
`commits`, and only one that runs a relay may update it, to mark what was published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tools.access.workloads import Workload

Uses: TypeAlias = Mapping[str, str]
"""Actions of MongoDB, separated by spaces, by collection."""

_EVERY_PROCESS: Final[Uses] = {  # it prepares its databases, recovers them and notices rollbacks
    "commits": "find insert createIndex",
    "positions": "find insert update",
    "replays": "createIndex",
    "replies": "createIndex",
    "deferred": "createIndex dropIndex",
}
_RELAY: Final[Uses] = {"commits": "update", "leases": "find insert update"}
_LEASED_WORK: Final[Uses] = {"leases": "find insert update"}
_SWEEP: Final[Uses] = {"put_off": "insert update remove", "sweeps": "insert update"}
_CONSUMER: Final[Uses] = {
    "deferred": "find",
    "replays": "insert update",
    "subscriptions": "find insert update",
}
_DEFERRING: Final[Uses] = {"deferred": "insert remove"}
_API: Final[Uses] = {"replies": "find insert update"}
_API_OF_CONSUMER: Final[Uses] = {"replays": "find", "subscriptions": "find remove"}
_INBOX: Final[Uses] = {"inbox": "find insert createIndex"}
_SHOWN_PUT_OFF: Final[Uses] = {"put_off": "find"}

_SCHEDULER: Final[Uses] = {
    "seasons": "find insert",  # one never changes
    "sessions": "find insert update createIndex",
    "resolutions": "find insert update createIndex",
    "marks": "find insert update",
}
_REPORTS: Final[Uses] = {
    "expectations": "find insert update createIndex",
    "circulars": "find insert",
    "reads": "insert createIndex",  # who read restricted axes: not even this service reads it
}
_NOTIFY: Final[Uses] = {
    "notices": "find insert update createIndex",
    "sessions": "find insert update",
    "kept": "find insert",
}
_FOLLOWUPS: Final[Uses] = {
    "followups": "find insert update remove createIndex",
    "elsewhere": "find insert update remove createIndex",
    "absences": "find insert update createIndex",
    "marks": "find insert update",
    "counts": "find insert update",  # by recovery, also in a process without a relay
    "evidence.files": "createIndex",
    "evidence.chunks": "createIndex",
}
_FOLLOWUPS_SWEEPER: Final[Uses] = {  # it clears abandoned uploads
    "evidence.uploads": "find update remove",
    "evidence.chunks": "remove",
}
_FOLLOWUPS_API: Final[Uses] = {
    "replies": "remove",  # of a follow-up that moves
    "evidence.files": "find insert",
    "evidence.chunks": "find insert remove",
    "evidence.uploads": "insert update remove",
}

_CLOCK: Final[Uses] = {"clock": "find changeStream"}
_OPERATORS: Final[Uses] = {"letters": "find insert update"}
_AUDITORS: Final[Uses] = {"commits": "find"}
_AUDITORS_OF_READS: Final[Uses] = {"reads": "find"}
_ERASURES: Final[Uses] = {"erasures": "find insert update"}  # none is ever removed
_ERASER_OF_REPORTS: Final[Uses] = {"expectations": "find update", "replies": "find update"}
_ERASER_OF_EVIDENCE: Final[Uses] = {
    "followups": "find",
    "elsewhere": "find",
    "evidence.files": "find remove",
    "evidence.chunks": "remove",  # not even those who erase a file read it
}
_ERASER_OF_SEASONS: Final[Uses] = {"sessions": "find"}


@dataclass(frozen=True, slots=True)
class Grant:
    """The actions that a role has on one collection."""

    database: str
    collection: str
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and what it grants; in order of database and collection."""

    name: str
    grants: tuple[Grant, ...]


def role_of(workload: Workload, namespace: str = "", *, simulated_clock: bool = False) -> Role:
    """The role of a workload, which has the workload's name.

    `namespace` is before the names of roles and databases. A simulated clock (development only)
    is a collection that every process reads.
    """
    used = [(name, uses) for name in _databases(workload) for uses in _uses(workload)]
    if simulated_clock:
        used.append(("clock", _CLOCK))
    return Role(namespace + workload.name, _grants(namespace, used))


def roles_of_people(deputies: Iterable[str], namespace: str = "") -> Sequence[Role]:
    """The roles of persons who work with the tools: `operator`, `auditor` and `eraser`.

    An administrator grants them to the users of these persons.
    """
    followups = [f"followups_{name}" for name in deputies]
    histories = ["scheduler", "reports", "notify", *followups]
    audited = [*((name, _AUDITORS) for name in histories), ("reports", _AUDITORS_OF_READS)]
    erased = [
        ("scheduler", _ERASER_OF_SEASONS),
        ("reports", _ERASER_OF_REPORTS),
        *((name, _ERASER_OF_EVIDENCE) for name in followups),
        *((name, _ERASURES) for name in ("reports", *followups)),
    ]
    return [
        Role(f"{namespace}operator", _grants(namespace, [("deadletters", _OPERATORS)])),
        Role(f"{namespace}auditor", _grants(namespace, audited)),
        Role(f"{namespace}eraser", _grants(namespace, erased)),
    ]


def _databases(workload: Workload) -> Sequence[str]:
    if workload.service == "followups":
        return [f"followups_{deputy}" for deputy in workload.deputies]
    return [workload.service]


def _uses(workload: Workload) -> Iterator[Uses]:
    """What a workload does in each of its databases, by the parts that it runs."""
    run, service = workload.run, workload.service
    consumes = service != "scheduler"
    yield _EVERY_PROCESS
    yield from _OWN[service]
    if "relay" in run:
        yield _RELAY
    if "consumer" in run and consumes:
        yield _CONSUMER
        if service == "followups":
            yield _DEFERRING
    if "sweeper" in run and consumes:
        yield _LEASED_WORK
        if service != "notify":
            yield _SWEEP
        if service == "followups":
            yield _FOLLOWUPS_SWEEPER
    if "api" in run:
        yield _API
        if consumes:
            yield _API_OF_CONSUMER
        if service == "followups":
            yield _FOLLOWUPS_API


_OWN: Final[Mapping[str, Sequence[Uses]]] = {
    "scheduler": (_SCHEDULER,),
    "reports": (_REPORTS, _INBOX, _SHOWN_PUT_OFF),
    "notify": (_NOTIFY,),
    "followups": (_FOLLOWUPS, _INBOX, _SHOWN_PUT_OFF),
}


def _grants(namespace: str, used: Iterable[tuple[str, Uses]]) -> tuple[Grant, ...]:
    actions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for database, uses in used:
        for collection, named in uses.items():
            actions[namespace + database, collection] |= set(named.split())
    return tuple(Grant(*place, frozenset(named)) for place, named in sorted(actions.items()))

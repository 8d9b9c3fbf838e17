"""What a replica set holds: every version of each document, so that snapshots and rollbacks are."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.mongo.documents import Document, index_keys, matches


@dataclass(slots=True)
class Chain:
    """One document through time: when it was committed as what; None where it was deleted."""

    record: int  # its place in the natural order
    versions: list[tuple[int, Document | None]]

    def at(self, time: int) -> Document | None:
        """As it was at a time."""
        for when, document in reversed(self.versions):
            if when <= time:
                return document
        return None


@dataclass(slots=True)
class Index:
    """An index, as it was declared."""

    name: str
    keys: Sequence[tuple[str, int]]
    unique: bool
    partial: Mapping[str, Any] | None

    def keys_of(self, document: Document) -> set[Any]:
        """The keys under which it holds a document; none where that is not its kind."""
        if self.partial is not None and not matches(document, self.partial):
            return set()
        return index_keys(document, [name for name, _ in self.keys])


@dataclass(slots=True)
class Data:
    """The documents of one collection and its indexes."""

    chains: dict[Any, Chain] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    unique: tuple[Index, ...] = ()
    held: dict[str, dict[Any, Any]] = field(default_factory=dict)
    """By unique index: which document has a key, as committed last."""

    def at(self, time: int) -> Iterator[tuple[Chain, Document]]:
        """All documents as they were at a time, in no order."""
        for chain in self.chains.values():
            document = chain.at(time)
            if document is not None:
                yield chain, document

    def write(self, id_: Any, record: int, time: int, document: Document | None) -> None:
        """Commit a version."""
        chain = self.chains.get(id_)
        before = chain.versions[-1][1] if chain is not None else None
        if chain is None:
            self.chains[id_] = chain = Chain(record, [])
        elif before is None:
            chain.record = record
        chain.versions.append((time, document))
        for index in self.unique:
            held = self.held[index.name]
            if before is not None:
                for key in index.keys_of(before):
                    held.pop(key, None)
            if document is not None:
                for key in index.keys_of(document):
                    held[key] = id_

    def declare(self, index: Index) -> None:
        """Add an index; the same again changes nothing."""
        self.indexes[index.name] = index
        self.unique = tuple(one for one in self.indexes.values() if one.unique)
        self._hold_again()

    def drop(self, name: str) -> None:
        """Take an index away."""
        del self.indexes[name]
        self.unique = tuple(one for one in self.indexes.values() if one.unique)

    def forget_after(self, time: int) -> None:
        """Take back everything that was committed later."""
        changed = False
        for id_ in list(self.chains):
            versions = self.chains[id_].versions
            while versions and versions[-1][0] > time:
                versions.pop()
                changed = True
            if not versions:
                del self.chains[id_]
        if changed:
            self._hold_again()

    def reorder(self, since: int, rng: random.Random, together: int) -> None:
        """Give what was inserted lately other places, as a secondary that applies in parallel."""
        recent = sorted(
            (chain for chain in self.chains.values() if chain.versions[0][0] > since),
            key=lambda chain: chain.record,
        )
        while recent:
            batch, recent = recent[:together], recent[together:]
            places = [chain.record for chain in batch]
            rng.shuffle(places)
            for chain, place in zip(batch, places, strict=True):
                chain.record = place

    def copied(self, time: int) -> Data:
        """As a copy of the files would be at a time."""
        copy = Data(indexes=dict(self.indexes), unique=self.unique)
        for id_, chain in self.chains.items():
            document = chain.at(time)
            if document is not None:
                copy.chains[id_] = Chain(chain.record, [(0, document)])
        copy._hold_again()
        return copy

    def _hold_again(self) -> None:
        self.held = defaultdict(dict)
        for index in self.unique:
            held = self.held[index.name]
            for id_, chain in self.chains.items():
                document = chain.versions[-1][1]
                if document is not None:
                    for key in index.keys_of(document):
                        held[key] = id_

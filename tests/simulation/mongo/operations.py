"""What one operation does on the primary, in a transaction or alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import DuplicateKeyError

from tests.simulation.mongo import errors
from tests.simulation.mongo.data import Data
from tests.simulation.mongo.documents import Document, matches, sorted_by
from tests.simulation.mongo.server import Locked, ReplicaSet, Transaction
from tests.simulation.mongo.updates import from_filter, updated


class NewId(Protocol):
    """Gives an id to a document that has none."""

    def __call__(self) -> Any: ...


class Work:
    """The reads and writes of one operation at one moment.

    In a transaction they are kept there; alone they are collected in `writes`, and committed
    together by whoever runs it.
    """

    def __init__(
        self, server: ReplicaSet, transaction: Transaction | None, time: int, new_id: NewId
    ) -> None:
        self.server = server
        self.transaction = transaction
        self.time = time
        self.writes: dict[tuple[str, Any], tuple[int, Document | None]] = (
            {} if transaction is None else transaction.writes
        )
        self._new_id = new_id

    # -- reading ------------------------------------------------------------------------------

    def all(self, namespace: str, wanted: Mapping[str, Any]) -> list[tuple[int, Document]]:
        """The documents that match, with their places, in no order."""
        data = self.server.data.get(namespace)
        if data is None and not self.writes:
            return []
        now = self.server.now() if "$expr" in wanted else None
        found: list[tuple[int, Document]] = []
        chains = data.chains if data is not None else {}
        id_ = wanted.get("_id")
        ids: Any = chains
        if type(id_) is str:
            ids = (id_,)
        elif isinstance(id_, Mapping) and "$in" in id_:
            ids = dict.fromkeys(id_["$in"])
        writes = self.writes
        for one in ids:
            written = writes.get((namespace, one)) if writes else None
            if written is not None:
                record, document = written
            else:
                chain = chains.get(one)
                if chain is None:
                    continue
                record, document = chain.record, chain.at(self.time)
            if document is not None and matches(document, wanted, now):
                found.append((record, document))
        if ids is chains and writes:
            found += [
                (record, document)
                for (where, one), (record, document) in writes.items()
                if where == namespace
                and one not in chains
                and document is not None
                and matches(document, wanted, now)
            ]
        return found

    def find(
        self,
        namespace: str,
        wanted: Mapping[str, Any],
        sort: Sequence[tuple[str, int]] = (),
        hint: str | None = None,
    ) -> list[Document]:
        """The documents that match: sorted, or in the order of an index, or in the natural one."""
        found = sorted(self.all(namespace, wanted), key=lambda one: one[0])
        documents = [document for _, document in found]
        if not sort and hint is not None:
            data = self.server.data.get(namespace)
            index = data.indexes.get(hint) if data is not None else None
            if index is None:
                raise errors.failure(2, message=f"hint provided does not correspond to {hint}")
            sort = index.keys
        elif not sort and isinstance(wanted.get("_id"), Mapping):
            sort = [("_id", 1)]
        return sorted_by(documents, sort) if sort else documents

    # -- writing ------------------------------------------------------------------------------

    def insert(self, namespace: str, document: Document) -> None:
        """Raises DuplicateKeyError, WriteConflict, and Locked outside a transaction."""
        id_ = document["_id"]
        data = self.server.data[namespace]
        place = (namespace, id_)
        self._claim(place, data)
        written = self.writes.get(place)
        chain = data.chains.get(id_)
        there = chain.versions[-1][1] if chain is not None else None
        if (written[1] if written is not None else there) is not None:
            self._fail(errors.duplicate(namespace, "_id_", {"_id": id_}))
        self._write(namespace, data, id_, self.server.record(), None, document)

    def change(self, namespace: str, record: int, before: Document, after: Document) -> None:
        """Put a document in the place of another."""
        data = self.server.data[namespace]
        self._claim((namespace, before["_id"]), data)
        self._write(namespace, data, before["_id"], record, before, after)

    def remove(self, namespace: str, record: int, before: Document) -> None:
        """Delete a document."""
        data = self.server.data[namespace]
        self._claim((namespace, before["_id"]), data)
        self._write(namespace, data, before["_id"], record, before, None)

    def update(
        self,
        namespace: str,
        wanted: Mapping[str, Any],
        update: Any,
        *,
        upsert: bool = False,
        many: bool = False,
        sort: Sequence[tuple[str, int]] = (),
    ) -> tuple[int, int, Any, Document | None, Document | None]:
        """Return how many matched, how many changed, the id that was inserted, before, after."""
        found = self.all(namespace, wanted)
        if sort and len(found) > 1:
            first = sorted_by([document for _, document in found], sort)[0]
            found = [one for one in found if one[1] is first]
        elif len(found) > 1:
            found.sort(key=lambda one: one[0])
        now = self.server.now()
        if not found:
            if not upsert:
                return 0, 0, None, None, None
            begun = from_filter(wanted)
            after = updated(begun, update, now=now, inserted=True)
            if "_id" not in after:
                after = {"_id": self._new_id(), **after}
            self.insert(namespace, after)
            return 0, 0, after["_id"], None, after
        changed = 0
        before = after = found[0][1]
        for record, document in found if many else found[:1]:
            after = updated(document, update, now=now)
            if after != document:
                self.change(namespace, record, document, after)
                changed += 1
            else:
                self._claim((namespace, document["_id"]), self.server.data[namespace])
        return len(found) if many else 1, changed, None, before, after

    def delete(self, namespace: str, wanted: Mapping[str, Any], *, many: bool) -> int:
        """Return how many were deleted."""
        found = sorted(self.all(namespace, wanted), key=lambda one: one[0])
        for record, document in found if many else found[:1]:
            self.remove(namespace, record, document)
        return len(found) if many else min(1, len(found))

    def bulk(self, namespace: str, requests: Sequence[Any], *, ordered: bool) -> dict[str, Any]:
        """Return the counts. Raises BulkWriteError; the driver's classes say what is to do."""
        counts = {
            "nInserted": 0,
            "nUpserted": 0,
            "nMatched": 0,
            "nModified": 0,
            "nRemoved": 0,
        }
        upserted: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for number, request in enumerate(requests):
            try:
                self._one(namespace, request, counts, upserted, number)
            except DuplicateKeyError as error:
                details = error.details or {}
                failed.append({"index": number, "code": 11000, "errmsg": details["errmsg"]})
                if ordered or self.transaction is not None:
                    rest = requests[number + 1 :]
                    if not ordered and any(type(one) is not type(request) for one in rest):
                        raise errors.no_such_transaction() from None  # it goes on all the same
                    break
        if failed:
            raise errors.bulk(failed, counts)
        return {**counts, "upserted": upserted}

    def _one(
        self,
        namespace: str,
        request: Any,
        counts: dict[str, int],
        upserted: list[dict[str, Any]],
        number: int,
    ) -> None:
        match request:
            case InsertOne():
                self.insert(namespace, request._doc)
                counts["nInserted"] += 1
            case UpdateOne() | UpdateMany():
                matched, changed, new, _, _ = self.update(
                    namespace,
                    request._filter,
                    request._doc,
                    upsert=bool(request._upsert),
                    many=isinstance(request, UpdateMany),
                )
                self._count(counts, upserted, number, matched, changed, new)
            case ReplaceOne():
                matched, changed, new, _, _ = self.update(
                    namespace, request._filter, request._doc, upsert=bool(request._upsert)
                )
                self._count(counts, upserted, number, matched, changed, new)
            case DeleteOne() | DeleteMany():
                counts["nRemoved"] += self.delete(
                    namespace, request._filter, many=isinstance(request, DeleteMany)
                )
            case _:
                raise NotImplementedError(request)

    @staticmethod
    def _count(
        counts: dict[str, int],
        upserted: list[dict[str, Any]],
        number: int,
        matched: int,
        changed: int,
        new: Any,
    ) -> None:
        counts["nMatched"] += matched
        counts["nModified"] += changed
        if new is not None:
            counts["nUpserted"] += 1
            upserted.append({"index": number, "_id": new})

    # -- what stands in the way ---------------------------------------------------------------

    def _claim(self, place: tuple[str, Any], data: Data) -> None:
        """Make sure that a document may be written. Raises WriteConflict, or Locked."""
        holder = self.server.locks.get(place)
        transaction = self.transaction
        if transaction is None:
            if holder is not None:
                raise Locked
            return
        if holder is transaction:
            return
        chain = data.chains.get(place[1])
        late = chain is not None and chain.versions[-1][0] > transaction.snapshot
        if holder is not None or late:
            self._fail(errors.conflict())
        transaction.claimed.add(place)
        self.server.locks[place] = transaction

    def _write(
        self,
        namespace: str,
        data: Data,
        id_: Any,
        record: int,
        before: Document | None,
        after: Document | None,
    ) -> None:
        place = (namespace, id_)
        if after is not None and data.unique:
            self._claim_keys(namespace, data, id_, before, after)
        self.writes[place] = (record, after)

    def _claim_keys(
        self, namespace: str, data: Data, id_: Any, before: Document | None, after: Document
    ) -> None:
        transaction = self.transaction
        for index in data.unique:
            new = index.keys_of(after)
            if before is not None:
                new -= index.keys_of(before)
            for key in sorted(new):
                name = (namespace, index.name, key)
                holder = self.server.key_locks.get(name)
                if holder is not None and holder is not transaction:
                    if transaction is None:
                        raise Locked
                    self._fail(errors.conflict())
                owner = data.held[index.name].get(key)
                gone = owner is not None and self._gone(namespace, owner, index, key)
                mine = holder is not None and holder is transaction
                if (owner is not None and owner != id_ and not gone) or mine:
                    chain = data.chains[owner] if owner is not None else None
                    if (
                        transaction is not None
                        and chain is not None
                        and chain.versions[-1][0] > transaction.snapshot
                    ):
                        self._fail(errors.conflict())
                    self._fail(errors.duplicate(namespace, index.name, dict(index.keys)))
                if transaction is not None:
                    transaction.keys.add(name)
                    self.server.key_locks[name] = transaction

    def _gone(self, namespace: str, owner: Any, index: Any, key: Any) -> bool:
        """Whether this operation has taken the key away from its owner."""
        written = self.writes.get((namespace, owner))
        return written is not None and (written[1] is None or key not in index.keys_of(written[1]))

    def _fail(self, error: Exception) -> None:
        """Raise what a write runs into; in a transaction, it ends that."""
        if self.transaction is not None:
            self.server.abort(self.transaction)
        raise error

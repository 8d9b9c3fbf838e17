"""Reports about rows of several deputies' follow-ups: check them, then apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import structlog
from pydantic import TypeAdapter
from pymongo.errors import PyMongoError

from services.followups.api.context import ApiContext, ApiContexts, query_all
from services.followups.domain.bulk import Column, Edit
from services.followups.handlers import Line, bulk
from shared.messaging.core.errors import StillRecovering
from shared.runtime.http import Once
from shared.runtime.idempotent_replies import Keyed, Reply
from shared.runtime.principals import Principal

_UNAVAILABLE: Final = "the deputy's database does not answer; send the sheet again"
_LINES: Final[TypeAdapter[list[Line]]] = TypeAdapter(list[Line])

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EarlierRows:
    """The rows that a request with a key applied before it broke off."""

    once: Once
    keyed: Keyed | None
    lines: Mapping[int, Line]  # by row

    @classmethod
    async def of(cls, once: Once, contexts: ApiContexts, digest: str) -> Self:
        """Ask all deputies. Raises Problem if the key was used for another request."""
        keyed = await once.keyed(digest)
        if keyed is None:
            return cls(once, None, {})
        answers, _ = await query_all(
            contexts.select(), lambda api: api.store.replies.about(keyed.id)
        )
        replies = [reply for answer in answers for reply in answer]
        for reply in replies:
            once.require_same(reply, keyed)
        lines = (line for reply in replies for line in _LINES.validate_json(reply.body))
        return cls(once, keyed, {line.row: line for line in lines})

    def reply(self, lines: Sequence[Line]) -> Reply | None:
        """The reply that is stored in the commit of some rows; None without a key."""
        if self.keyed is None:
            return None
        return self.once.part(self.keyed, lines[0].row, _LINES.dump_json(list(lines)))


@dataclass(frozen=True, slots=True)
class RowReporter:
    """Reports rows of several deputies' follow-ups in the name of one person."""

    contexts: ApiContexts
    by: Principal
    now: datetime  # UTC
    trace: str | None
    earlier: EarlierRows

    async def check(self, edits: Sequence[Edit]) -> tuple[list[Line], dict[str, list[Edit]]]:
        """What would happen to the rows, and those that are not refused, by deputy."""

        async def foresee(api: ApiContext) -> tuple[str, Sequence[Line]]:
            lines = await bulk.foresee(edits, api.store, api.context, self.by, self.now)
            return api.context.deputy, lines

        if not edits:
            return [], {}
        answers, partial = await query_all(self.contexts.select(), foresee)
        lines = {line.row: line for _, found in answers for line in found}
        deputies = {line.row: deputy for deputy, found in answers for line in found}
        changing: dict[str, list[Edit]] = {}
        for edit in edits:
            if edit.row not in lines:
                lines[edit.row] = _missing(edit, partial)
            elif lines[edit.row].outcome == "applied":
                changing.setdefault(deputies[edit.row], []).append(edit)
        return [lines[edit.row] for edit in edits], changing

    async def apply(
        self, lines: Sequence[Line], changing: Mapping[str, Sequence[Edit]], *, together: bool
    ) -> list[Line]:
        """Apply what `check` returned, one deputy after the other; return what happened to all.

        If a deputy's database does not answer, the rows of the others are applied all the same.
        """
        results = {line.row: line for line in lines}
        for deputy, edits in changing.items():
            api = self.contexts.select([deputy])[deputy]
            try:
                done = await bulk.apply(
                    edits,
                    api.store,
                    api.context,
                    self.by,
                    self.now,
                    self.trace,
                    together=together,
                    reply=self.earlier.reply,
                )
            except (PyMongoError, StillRecovering) as error:
                _log.warning("rows are not applied", deputy=deputy, error=str(error))
                done = [bulk.refusal(edit, "unavailable", _UNAVAILABLE) for edit in edits]
            results.update({line.row: line for line in done})
        return list(results.values())


def _missing(edit: Edit, partial: Sequence[str]) -> Line:
    if partial:
        message = f"not found, but these deputies' databases do not answer: {', '.join(partial)}"
        return bulk.refusal(edit, "unavailable", message)
    message = "there is no such follow-up here"
    return bulk.refusal(edit, "unknown-followup", message, Column.FOLLOWUP_ID)

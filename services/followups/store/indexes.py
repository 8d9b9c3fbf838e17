"""The indexes of the collection `followups`."""

from __future__ import annotations

from typing import Final

from pymongo import ASCENDING, IndexModel

from services.followups.store.documents import DAYS_LATE, EXECUTING_BODY, PREDECESSOR
from shared.messaging.scheduling.due_queue import INDEX

LATE: Final = {"level": {"$gt": 0}}  # few are late, and none when it is opened: cheap to maintain
OVERDUE: Final = "overdue"
DUE_ON: Final = "due_on"
OFFICER: Final = "work.officer"
DELEGATE: Final = "work.delegation.to"

INDEXES: Final = (
    IndexModel([("resolution_id", ASCENDING)], name="resolution", unique=True),
    IndexModel(
        [("next_alert", ASCENDING), ("level", ASCENDING)],
        name=INDEX,
        partialFilterExpression={"next_alert": {"$type": "date"}},
    ),
    IndexModel([("session_id", ASCENDING), ("_id", ASCENDING)], name="session"),
    IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
    *(
        IndexModel([*keys, ("_id", ASCENDING)], name=name, partialFilterExpression=LATE)
        for name, keys in (
            ("level", [("level", ASCENDING)]),
            ("state_level", [("state", ASCENDING), ("level", ASCENDING)]),
            ("province_level", [("province", ASCENDING), ("level", ASCENDING)]),
            ("axis_level", [("axis", ASCENDING), ("level", ASCENDING)]),
        )
    ),
    IndexModel(
        [("_id", ASCENDING), ("state", ASCENDING)], name=OVERDUE, partialFilterExpression=LATE
    ),
    IndexModel(
        [(PREDECESSOR, ASCENDING), ("_id", ASCENDING)],
        name="predecessor",
        partialFilterExpression={PREDECESSOR: {"$gt": ""}},  # few have one
    ),
    # The sorts of lists cost three more index keys for each new follow-up, and one for each change.
    # Due dates are read by state, because most follow-ups with early due dates have ended. Province
    # and axis are in the keys so that documents with other values are skipped without reading them.
    IndexModel(
        [(field, ASCENDING) for field in ("state", "due_on", "_id", "province", "axis")],
        name=DUE_ON,
    ),
    # What somebody may see who does not see all of a deputy's: one index per reason to see it.
    *(
        IndexModel(
            [(path, ASCENDING), ("_id", ASCENDING)],
            name=f"reader_{path}",
            partialFilterExpression={path: {"$gt": ""}},
        )
        for path in ("province", "axis", "supporting", OFFICER, DELEGATE)
    ),
    IndexModel([("approved_at", ASCENDING), ("_id", ASCENDING)], name="approved_at"),
    IndexModel([("changed_at", ASCENDING), ("_id", ASCENDING)], name="changed_at"),
    *(
        IndexModel([(path, ASCENDING), ("_id", ASCENDING)], name=path, partialFilterExpression=some)
        for path, some in (
            ("number", {"number": {"$gt": ""}}),
            (EXECUTING_BODY, {EXECUTING_BODY: {"$gt": ""}}),
            (DAYS_LATE, {DAYS_LATE: {"$gt": 0}}),  # few are claimed late
        )
    ),
)

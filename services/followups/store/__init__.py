"""Follow-ups on MongoDB: one database per deputy."""

from services.followups.store.links import MongoLinks
from services.followups.store.repository import MongoFollowupRepository

__all__ = ["MongoFollowupRepository", "MongoLinks"]

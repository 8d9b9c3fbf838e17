"""Creates the topics; no client does. Safe to repeat: the existing ones are verified."""

from tools.topics.settings import TopicsSettings

__all__ = ["TopicsSettings"]

"""Creates the topics, because no client may. It is safe to repeat: it verifies those that exist."""

from tools.topics.settings import TopicsSettings

__all__ = ["TopicsSettings"]

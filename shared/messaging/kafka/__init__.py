"""Kafka's clients as this project needs them: an idempotent producer, and careful consumers."""

"""Starts the real Kafka, the real MongoDB and every service on one machine."""

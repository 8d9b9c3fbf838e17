"""From Kafka's records to an effect that happens exactly once."""

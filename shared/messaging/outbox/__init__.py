"""Publishing of commit records to Kafka, until Kafka has acknowledged all events."""

"""From the commit records to Kafka, until Kafka has acknowledged all."""

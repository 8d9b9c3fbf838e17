// Publishes with kafkajs what a job on standard input names, and says when each record set out.
// Job: {"client": folder of kafkajs, "brokers": [address], "topic", "records":
// [{"key", "value": base64 or null, "headers": [[name, base64], ...]}]}.

import { createRequire } from "node:module";
import { join } from "node:path";

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const job = JSON.parse(Buffer.concat(chunks).toString("utf-8"));

const { Kafka, logLevel } = createRequire(join(job.client, "package.json"))("kafkajs");

const bytes = (text) => (text === null ? null : Buffer.from(text, "base64"));

function headersOf(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    (headers[name] ??= []).push(bytes(value));
  }
  return headers;
}

const kafka = new Kafka({ clientId: "foreign", brokers: job.brokers, logLevel: logLevel.ERROR });
const producer = kafka.producer({ allowAutoTopicCreation: false });
await producer.connect();
const sentAt = [];
for (const record of job.records) {
  sentAt.push(Date.now());
  const message = {
    key: record.key,
    value: bytes(record.value),
    headers: headersOf(record.headers),
  };
  await producer.send({ topic: job.topic, acks: -1, messages: [message] });
}
await producer.disconnect();
process.stdout.write(JSON.stringify(sentAt));

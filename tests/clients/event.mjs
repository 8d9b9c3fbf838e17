// Writes an event as a Kafka record with CloudEvents' own SDK, and says it on standard output.
// Job: {"sdk": folder of the SDK, "mode": "binary" or "structured", "event": attributes and data}.
// Answer: {"value": base64, "headers": [[name, base64], ...]}.

import { createRequire } from "node:module";
import { join } from "node:path";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const job = JSON.parse(Buffer.concat(chunks).toString("utf-8"));

const { CloudEvent, Kafka } = createRequire(join(job.sdk, "package.json"))("cloudevents");

const encoded = (text) => Buffer.from(text).toString("base64");
const { headers, value } = Kafka[job.mode](new CloudEvent(job.event));
process.stdout.write(
  JSON.stringify({
    value: encoded(typeof value === "string" ? value : JSON.stringify(value)),
    headers: Object.entries(headers).map(([name, text]) => [name, encoded(String(text))]),
  }),
);

// Verifies messages by the receiver of @upstash/qstash: reads a list of them, writes the error of each, or null.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { Receiver } = createRequire(`${process.argv[2]}/`)("@upstash/qstash");
const errors = [];
for (const { keys, ...message } of JSON.parse(readFileSync(0, "utf8"))) {
  const receiver = new Receiver({ currentSigningKey: keys[0], nextSigningKey: keys[1] });
  errors.push(await receiver.verify(message).then(() => null, String));
}
console.log(JSON.stringify(errors));

// A route of Next.js behind verifySignatureAppRouter of @upstash/qstash, served by node: no part of Next.js is needed.
// Writes its port into a file; after as many requests as it is told, writes what its handler was given.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { renameSync, writeFileSync } from "node:fs";

const [folder, current, next, count] = process.argv.slice(2);
const { verifySignatureAppRouter } = createRequire(`${folder}/`)("@upstash/qstash/nextjs");
const handled = [];
const answered = [];

const POST = verifySignatureAppRouter(
  async (request) => {
    handled.push({ body: await request.text(), retried: request.headers.get("upstash-retried") });
    return Response.json({ handled: handled.length }, { status: handled.length === 1 ? 503 : 200 });
  },
  { currentSigningKey: current, nextSigningKey: next },
);

const server = createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, headers, url } = incoming;
  const request = new Request(`http://127.0.0.1${url}`, { method, headers, body: Buffer.concat(chunks) });
  const answer = await POST(request).catch(() => new Response("thrown", { status: 500 })); // as Next.js does
  answered.push(answer.status);
  outgoing.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  if (answered.length === Number(count)) {
    console.log(JSON.stringify({ handled, answered }));
    server.close();
    server.closeAllConnections();
  }
});
setTimeout(() => process.exit(1), 120_000).unref(); // a test that failed asks for no more
server.listen(0, "127.0.0.1", () => {
  writeFileSync(`${folder}/port.new`, String(server.address().port));
  renameSync(`${folder}/port.new`, `${folder}/port`);
});

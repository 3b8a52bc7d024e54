// `node serve.mjs v3` or `v4`: serves an app, and tells at /effects what its steps did. INNGEST_DEV says where the
// server is. Each version has a process of its own: both keep things under the same names in that of node.

import http from "node:http";

import { effects } from "./world.mjs";

const version = process.argv[2];
const app = await import(`./${version}.mjs`);
const { serve } = await import(version === "v3" ? "inngest-v3/node" : "inngest/node");
const handle = serve(app);

const server = http.createServer((request, response) => {
  if (request.url === "/effects") {
    response.end(JSON.stringify(effects));
  } else {
    handle(request, response);
  }
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`serving on http://127.0.0.1:${server.address().port}`);
});
process.stdin.on("end", () => process.exit()).resume(); // the program that started it is gone

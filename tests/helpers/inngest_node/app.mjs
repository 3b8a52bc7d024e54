// `node app.mjs v3` or `v4`: the functions of the example and those of the tests. `/counts` has what steps did, and how
// often each function was called.

import http from "node:http";

import { moreOf } from "./more.mjs";
import { effects } from "./world.mjs";

const version = process.argv[2];
const isOld = version === "v3";
const { client, functions } = await import(`./${version}.mjs`);
const { serve } = await import(isOld ? "inngest-v3/node" : "inngest/node");

const create = (options, trigger, handler) =>
  isOld
    ? client.createFunction(options, trigger, handler)
    : client.createFunction({ ...options, triggers: trigger }, handler);
const effect = (step, subject, what) => {
  effects.push(`${version} ${step} ${subject}`);
  return what;
};
const calls = {};
const handle = serve({ client, functions: [...functions, ...moreOf(create, effect)] });

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://any");
  if (url.pathname === "/counts") {
    response.end(JSON.stringify({ effects, calls }));
    return;
  }
  if (request.method === "POST") {
    const name = url.searchParams.get("fnId");
    calls[name] = (calls[name] ?? 0) + 1;
  }
  handle(request, response);
});
server.listen(0, "127.0.0.1", () => console.log(`serving http://127.0.0.1:${server.address().port}`));

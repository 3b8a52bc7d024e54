// The three functions in the form of the SDK of version 4: createFunction(options with triggers, handler).

import { Inngest } from "inngest";

import { worldOf } from "./world.mjs";

export const client = new Inngest({ id: "v4" });
const { db, mailer, reports, write } = worldOf("v4");

const welcome = client.createFunction(
  { id: "welcome", retries: 3, triggers: { event: "user/signed.up" } },
  async ({ event, step }) => {
    const user = await step.run("get-user", () => db.users.find(event.data.userId));
    const text = await step.run("write-mail", () => write(user));
    await step.run("send-mail", () => mailer.send(user, text));
    return text;
  },
);

const dailyDigest = client.createFunction(
  { id: "daily-digest", triggers: { cron: "TZ=Europe/Paris 0 8 * * *" } },
  async ({ step }) => {
    const users = await step.run("list-users", () => db.users.list());
    await Promise.all(users.map((user) => step.run(`digest-${user.id}`, () => mailer.digest(user))));
    return users.length;
  },
);

const makeReport = client.createFunction(
  { id: "make-report", concurrency: 5, triggers: { event: "report/requested" } },
  async ({ event, step }) => {
    const id = event.data.reportId;
    await step.run("mark-processing", () => reports.mark(id, "processing"));
    const text = await step.run("generate", () => reports.generate(id));
    const url = await step.run("upload", () => reports.upload(id, text));
    await step.run("mark-complete", () => reports.mark(id, "complete"));
    return url;
  },
);

export const functions = [welcome, dailyDigest, makeReport];

// The three functions in the form of the SDK of version 3: createFunction(options, trigger, handler).

import { Inngest } from "inngest-v3";

import { worldOf } from "./world.mjs";

export const client = new Inngest({ id: "v3" });
const { db, mailer, reports, write } = worldOf("v3");

const welcome = client.createFunction(
  { id: "welcome", retries: 3 },
  { event: "user/signed.up" },
  async ({ event, step }) => {
    const user = await step.run("get-user", () => db.users.find(event.data.userId));
    const text = await step.run("write-mail", () => write(user));
    await step.run("send-mail", () => mailer.send(user, text));
    return text;
  },
);

const dailyDigest = client.createFunction(
  { id: "daily-digest" },
  { cron: "TZ=Europe/Paris 0 8 * * *" },
  async ({ step }) => {
    const users = await step.run("list-users", () => db.users.list());
    await Promise.all(users.map((user) => step.run(`digest-${user.id}`, () => mailer.digest(user))));
    return users.length;
  },
);

const makeReport = client.createFunction(
  { id: "make-report", concurrency: 5 },
  { event: "report/requested" },
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

"""The three functions with the SDK in Python, under FastAPI; `/effects` tells what their steps did.

INNGEST_DEV says where the server is; with an INNGEST_SIGNING_KEY INNGEST_BASE_URL does.
`python examples/inngest/story.py` starts this, beside both apps in TypeScript.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import inngest
import inngest.fast_api
from fastapi import FastAPI

T = TypeVar("T")
client = inngest.Inngest(app_id="python", is_production="INNGEST_SIGNING_KEY" in os.environ)
effects: list[str] = []


@dataclass
class User:
    """A user of the shop."""

    id: int
    name: str


USERS = [User(1, "Ada"), User(2, "Grace"), User(3, "Edsger")]


@client.create_function(fn_id="welcome", retries=3, trigger=inngest.TriggerEvent(event="user/signed.up"))
async def welcome(ctx: inngest.Context) -> str:
    """A welcome mail in three steps."""
    user_id = int(str(ctx.event.data["userId"]))
    name = await ctx.step.run("get-user", partial(effect, "get-user", user_id, USERS[user_id - 1].name))
    text = await ctx.step.run("write-mail", partial(effect, "write-mail", user_id, f"Welcome, {name}!"))
    await ctx.step.run("send-mail", partial(effect, "send-mail", user_id, len(text)))
    return text


@client.create_function(fn_id="daily-digest", trigger=inngest.TriggerCron(cron="TZ=Europe/Paris 0 8 * * *"))
async def daily_digest(ctx: inngest.Context) -> int:
    """Sends each user a digest: one step a user, side by side."""
    ids = await ctx.step.run("list-users", partial(effect, "list-users", "all", [user.id for user in USERS]))
    steps = [
        partial(ctx.step.run, f"digest-{user_id}", partial(effect, f"digest-{user_id}", "all", "news"))
        for user_id in ids
    ]
    return len(await ctx.group.parallel(tuple(steps)))


@client.create_function(
    fn_id="make-report",
    concurrency=[inngest.Concurrency(limit=5)],
    trigger=inngest.TriggerEvent(event="report/requested"),
)
async def make_report(ctx: inngest.Context) -> str:
    """Makes a report, five at a time."""
    report_id = int(str(ctx.event.data["reportId"]))
    await ctx.step.run("mark-processing", partial(effect, "mark-processing", report_id, "processing"))
    text = await ctx.step.run("generate", partial(generate, report_id))
    url = f"https://files.example/{report_id}?size={len(text)}"
    url = await ctx.step.run("upload", partial(effect, "upload", report_id, url))
    await ctx.step.run("mark-complete", partial(effect, "mark-complete", report_id, "complete"))
    return url


async def effect(step: str, subject: object, what: T) -> T:
    """Stands for what reaches the world: a mail, an upload, a row of a table."""
    effects.append(f"python {step} {subject}")
    return what


async def generate(report_id: int) -> str:
    await asyncio.sleep(0.2)  # the long part
    return await effect("generate", report_id, f"report {report_id}: all is well")


app = FastAPI()
inngest.fast_api.serve(app, client, [welcome, daily_digest, make_report])


@app.get("/effects")
async def list_effects() -> list[str]:
    return effects

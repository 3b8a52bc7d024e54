"""The functions of the example in Python and those of the tests; `/counts` has what steps did, and how often each
function was called.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import inngest
import inngest.fast_api
import uvicorn
from fastapi import FastAPI, Request, Response

from examples.inngest.python_app import client, daily_digest, effect, effects, make_report, welcome
from tests.helpers.apps.common import say

DAY = dt.timedelta(days=1)
SAME_ORDER = "async.data.order == event.data.order"


@client.create_function(fn_id="child", trigger=inngest.TriggerEvent(event="never/sent"))
async def child(ctx: inngest.Context) -> int:
    n = number_of(ctx)
    return await ctx.step.run("double", partial(effect, "double", n, 2 * n))


@client.create_function(fn_id="nap", trigger=inngest.TriggerEvent(event="nap/asked"))
async def nap(ctx: inngest.Context) -> str:
    await ctx.step.run("lie-down", partial(effect, "lie-down", number_of(ctx), None))
    await ctx.step.sleep("nap", DAY)
    return await ctx.step.run("get-up", partial(effect, "get-up", number_of(ctx), "rested"))


@client.create_function(fn_id="payment", trigger=inngest.TriggerEvent(event="order/placed"))
async def payment(ctx: inngest.Context) -> Any:
    wait = partial(ctx.step.wait_for_event, "paid", event="order/paid", if_exp=SAME_ORDER, timeout=2 * DAY)
    paid = await wait()
    return await ctx.step.run("close", partial(effect, "close", ctx.event.data["order"], paid and paid.data["sum"]))


@client.create_function(fn_id="parent", trigger=inngest.TriggerEvent(event="parent/asked"))
async def parent(ctx: inngest.Context) -> int:
    doubled = await ctx.step.invoke("ask", function=child, data={"n": number_of(ctx)})
    return doubled + 1


async def on_failure(ctx: inngest.Context) -> None:
    error: Any = ctx.event.data["error"]
    await effect("on-failure", error["message"], None)


@client.create_function(
    fn_id="failing", retries=1, on_failure=on_failure, trigger=inngest.TriggerEvent(event="failing/asked")
)
async def failing(ctx: inngest.Context) -> None:
    await ctx.step.run("begin", partial(effect, "begin", number_of(ctx), None))
    await ctx.step.run("break", partial(broken, number_of(ctx)))


@client.create_function(
    fn_id="parcel",
    cancel=[inngest.Cancel(event="order/cancelled", if_exp=SAME_ORDER)],
    trigger=inngest.TriggerEvent(event="order/packed"),
)
async def parcel(ctx: inngest.Context) -> None:
    await ctx.step.sleep("van", DAY)
    await ctx.step.run("deliver", partial(effect, "deliver", ctx.event.data["order"], None))


async def broken(n: int) -> None:
    await effect("break", n, None)
    raise RuntimeError("out of paper")


def number_of(ctx: inngest.Context) -> int:
    return int(str(ctx.event.data["n"]))


app = FastAPI()
calls: Counter[str] = Counter()
functions: list[inngest.Function[Any]] = [
    welcome,
    daily_digest,
    make_report,
    child,
    nap,
    payment,
    parent,
    failing,
    parcel,
]
inngest.fast_api.serve(app, client, functions)


@app.middleware("http")
async def counting(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    if request.method == "POST":
        calls[request.query_params["fnId"]] += 1
    return await call_next(request)


@app.get("/counts")
async def count() -> dict[str, Any]:
    return {"effects": effects, "calls": calls}


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listening:
        say(f"serving http://127.0.0.1:{listening.getsockname()[1]}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])

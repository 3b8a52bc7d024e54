"""An app with the official SDK for Python, which counts by itself: each call that comes in, and each run of a step.

`python -m tests.chaos.inngest.app FD NOTES SEED` serves it on a socket that its parent opened; INNGEST_DEV says where
the server is. No process of the server knows of what is noted here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import logging
import random
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import inngest
import inngest.fast_api
import uvicorn
from fastapi import FastAPI

from tests.chaos.inngest.model import ModelSdk
from tests.chaos.inngest.notes import Notes, digest, now_ms
from tests.chaos.inngest.plan import APP, BROKEN, PATH
from tests.helpers.pauses import work_for

T = TypeVar("T")
_LONGEST_STEP_S: Final = 0.02
_PATIENCE: Final = dt.timedelta(minutes=30)
_NAP: Final = dt.timedelta(seconds=1)
_SAME: Final = "async.data.n == event.data.n"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # of ULIDs
_FAILS_AT_FIRST: Final = frozenset({"pick-2", "weigh"})

client = inngest.Inngest(app_id=APP, is_production=False, logger=logging.getLogger("chaos"))
_call: ContextVar[tuple[int, str]] = ContextVar("call")
_runs_of: Counter[tuple[str, str]] = Counter()  # how often each step of each run was run
_calls = itertools.count(1)
_tokens = itertools.count(1)
notes: Notes
chance: random.Random


async def step(name: str, result: object = None) -> Any:
    """The code of a step: takes a while, and gives a token that no other run of it gives."""
    call, run = _call.get()
    notes.note("body", call=call, run=run, step=name)
    await work_for(chance.uniform(0, _LONGEST_STEP_S))
    _runs_of[run, name] += 1
    if name == BROKEN or (name in _FAILS_AT_FIRST and _runs_of[run, name] == 1):
        raise RuntimeError("out of paper")
    token = f"{name} {next(_tokens)}"
    notes.note("done", call=call, run=run, step=name, token=token)
    return [token, result]


def _stored(name: str) -> None:
    call, run = _call.get()
    notes.note("checked", call=call, run=run, step=name, at=now_ms())


def run_step(ctx: inngest.Context, name: str, result: object = None) -> Callable[[], Any]:
    """A step, to be awaited or to be put beside others."""
    return partial(ctx.step.run, name, partial(step, name, result))


@client.create_function(fn_id="packer", trigger=inngest.TriggerEvent(event="never/sent"))
async def packer(ctx: inngest.Context) -> Any:
    """Is invoked by each order."""
    return [await run_step(ctx, "fold")(), await run_step(ctx, "fill", ctx.event.data["n"])()]


@client.create_function(fn_id="order", trigger=inngest.TriggerEvent(event="order/placed"))
async def order(ctx: inngest.Context) -> Any:
    """Steps one by one and side by side, sleeps, waits, another function."""
    found = [await run_step(ctx, "reserve", ctx.event.data["n"])()]
    found += await ctx.group.parallel(tuple([run_step(ctx, f"pick-{n}") for n in (1, 2, 3)]))
    await ctx.step.sleep("nap", _NAP)
    found.append(await _event(ctx, "paid"))
    found.append(await run_step(ctx, "weigh")())
    found.append(await ctx.step.invoke("pack", function=packer, data={"n": ctx.event.data["n"]}))
    waits = (partial(_event, ctx, "shipped"), partial(ctx.step.sleep, "drive", _NAP), run_step(ctx, "track"))
    found += await ctx.group.parallel(waits)
    return [*found, await run_step(ctx, "close")()]


async def _event(ctx: inngest.Context, what: str) -> Any:
    event = await ctx.step.wait_for_event(what, event=f"order/{what}", if_exp=_SAME, timeout=_PATIENCE)
    return None if event is None else [event.id, event.data["n"]]


async def on_failure(ctx: inngest.Context) -> Any:
    """Is started by each report that failed."""
    event: Any = ctx.event.data["event"]
    return await run_step(ctx, "apologize", event["data"]["n"])()


@client.create_function(
    fn_id="report", retries=3, on_failure=on_failure, trigger=inngest.TriggerEvent(event="report/asked")
)
async def report(ctx: inngest.Context) -> Any:
    """A step of it fails for good, and so does it."""
    await run_step(ctx, "write")()
    await run_step(ctx, BROKEN)()


@client.create_function(fn_id="notice", trigger=inngest.TriggerEvent(event="notice/asked"))
async def notice(ctx: inngest.Context) -> Any:
    """Sends an event within a race of steps; the event starts another function."""
    steps = (run_step(ctx, "fast"), run_step(ctx, "slow"))
    await ctx.group.parallel(steps, parallel_mode=inngest.ParallelMode.RACE)
    n = ctx.event.data["n"]
    await ctx.step.send_event("tell", inngest.Event(name="echo/asked", id=f"echo {n}", data={"n": n}))
    return [await run_step(ctx, "file", n)()]


@client.create_function(fn_id="echo", trigger=inngest.TriggerEvent(event="echo/asked"))
async def echo(ctx: inngest.Context) -> Any:
    """Is started by the event of a notice."""
    return [await run_step(ctx, "note", ctx.event.data["n"])()]


class Counting:
    """Notes each call before the SDK has it.

    Args:
        app: The application around the SDK.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        _call.set(_noted(dict(scope["headers"]), scope["query_string"].decode(), json.loads(body)))
        parts = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:
            return next(parts, None) or await receive()

        await self._app(scope, again, send)


def _noted(headers: Mapping[bytes, bytes], query: str, body: Mapping[str, Any]) -> tuple[int, str]:
    call, run = next(_calls), body["ctx"]["run_id"]
    target = query.partition("stepId=")[2]
    request = headers[b"x-request-id"].decode()
    made = 0
    for char in request[:10]:
        made = made << 5 | _ALPHABET.index(char)
    memos = {hashed: digest(memo) for hashed, memo in body["steps"].items()}
    notes.note(
        "call", call=call, made=made, run=run, function=body["ctx"]["fn_id"],
        target=None if target == "step" else target, memos=memos,
    )  # fmt: skip
    return call, run


def main() -> None:
    """Serves until it is killed."""
    global notes, chance  # of the one app of this process
    descriptor, path, seed = sys.argv[1:]
    notes, chance = Notes(Path(path)), random.Random(seed)
    app = FastAPI()
    inngest.fast_api.serve(app, client, [packer, order, report, notice, echo], serve_path=PATH)
    ModelSdk(step, _stored, chance).serve(app)
    config = uvicorn.Config(Counting(app), log_level="error", access_log=False, lifespan="off", timeout_keep_alive=60)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main()

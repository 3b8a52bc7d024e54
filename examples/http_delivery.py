"""Webhooks that are not lost: a shop calls a warehouse, is killed in the midst, and each order is packed once.

    pip install ".[examples,http]" && python examples/http_delivery.py

The first half of this file is two applications, each with a server of its own: the shop publishes its orders, signed,
and the warehouse verifies them. The second half runs both, plays their users, kills the shop, and checks every claim
that it prints: if one is not true, the exit code is not 0.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.http import (
    Http,
    MemoryInbox,
    Publish,
    Signer,
    SigningKeys,
    VerifiedMessage,
    Verifier,
    VerifyMiddleware,
)

# What both sides know: where they are, and the key of the signatures

SHOP = os.environ.get("SHOP_URL", "http://127.0.0.1:8000")
WAREHOUSE = os.environ.get("WAREHOUSE_URL", "http://127.0.0.1:8001")
KEYS = SigningKeys(os.environ.setdefault("SIGNING_KEY", SigningKeys.generate().current))

# The shop: it publishes orders, and is called back

DATABASE = Path(os.environ.get("AIOJOBS_LITE_DATABASE", "shop.db"))
http = Http(  # in earnest `Http(signer=...)`: to https and public addresses alone, and the first wait is 30 s
    signer=Signer(KEYS), backoff=Backoff(base="0.2s"), allow_http=True, allow_private=True
)
runner = JobRunner(DATABASE, jobs=[http])
shop = FastAPI(lifespan=runner.lifespan)
verifier = Verifier(KEYS, url=f"{SHOP}/called-back")


@shop.post("/orders", status_code=202)
async def place(orders: list[int]) -> list[int]:
    """Each order becomes a delivery, all or none; the answer does not wait for the warehouse."""
    back = f"{SHOP}/called-back"
    publishes = [
        Publish(f"{WAREHOUSE}/hooks/orders", json={"order": order}, callback=back, failure_callback=back)
        for order in orders
    ]
    return [handle.id for handle in await runner.publish_many(publishes)]


@shop.post("/called-back", status_code=202)
async def called_back(message: Annotated[VerifiedMessage, Depends(verifier.dependency())]) -> None:
    """A callback of this shop's own runner, signed as any delivery: how the delivery of an order has ended."""
    said = json.loads(message.body)
    order = json.loads(base64.b64decode(said["sourceBody"]))["order"]
    await runner.enqueue(note.using(idempotency_key=message.id), order, "refused" if "dlqId" in said else "accepted")


@runner.job
async def note(order: int, end: str) -> str:
    """Here you would write to the database of the shop, or to the customer."""
    return f"order {order} is {end}"


@shop.get("/deliveries/{job_id}")
async def delivery(job_id: int) -> dict[str, Any]:
    job = await runner.jobs.get(job_id)
    return {"status": job.status, "attempts": job.attempts, "history": [attempt.message for attempt in job.history]}


@shop.get("/state")
async def state() -> dict[str, Any]:
    """What the shop knows of all orders."""
    stats = runner.stats()  # first: what is unfinished now may be among the notes below
    notes, deliveries = [await runner.jobs.list(type=name, limit=1_000) for name in ("note", http.delivery.name)]
    return {
        "notes": sorted(str(job.result) for job in notes if job.result is not None),
        "sent again after a crash": sum(job.crashes > 0 for job in deliveries),
        "unfinished": stats.pending + stats.processing,
    }


# The warehouse: it packs each order once, though a delivery may come twice

warehouse, hooks = FastAPI(), FastAPI()
verified = VerifyMiddleware(
    hooks, verifier=Verifier(KEYS, url=f"{WAREHOUSE}/hooks/orders"), inbox=MemoryInbox(keep_for="1d")
)
warehouse.mount("/hooks", verified)  # all below it needs a signature
packed: Counter[int] = Counter()
busy = iter(range(0))


@hooks.post("/orders")
async def pack(body: dict[str, int]) -> str:
    if next(busy, None) is not None:
        raise HTTPException(503, "come again later")
    if body["order"] < 0:
        raise HTTPException(422, "there is no such order")
    await asyncio.sleep(0.05)  # the packing
    packed[body["order"]] += 1
    print("packed", body["order"], flush=True)
    return f"order {body['order']} is packed"


@warehouse.post("/busy")
async def be_busy(answers: int) -> None:
    """For the story: so many of the next answers are 503."""
    global busy  # noqa: PLW0603  # of one process
    busy = iter(range(answers))


@warehouse.get("/packed")
async def all_packed() -> dict[int, int]:
    """How often each order was packed."""
    return packed


def serve(name: str, descriptor: int) -> None:
    """Runs one of the applications on a socket that its parent opened."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    app = {"shop": shop, "warehouse": warehouse}[name]
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[socket.socket(fileno=descriptor)])


def end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written there: it returns when the parent is gone
    os._exit(1)


# The story

MANY = range(1_000, 1_200)
KILLED_AFTER = 60  # orders
LONGEST = 40.0  # seconds for all of it: a guard against hanging


def say(line: str) -> None:
    print(line, flush=True)


def check(claim: str, found: object, expected: object) -> None:
    if found != expected:
        raise RuntimeError(f"not true: {claim}. Found {found!r}, expected {expected!r}.")
    say(f"   checked: {claim}")


@asynccontextmanager
async def serving(name: str, port: socket.socket) -> AsyncIterator[Process]:
    """Starts an application as a process of its own; it does not outlive the block.

    The port is open already, and stays so: requests that come while no server is up wait for the next one.
    """
    command = (sys.executable, __file__, name, str(port.fileno()))
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, pass_fds=[port.fileno()])
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Users:
    """The users of both applications.

    Args:
        client: Their HTTP client.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def place(self, *orders: int) -> list[int]:
        """Places orders; returns their deliveries."""
        answer = await self._client.post(f"{SHOP}/orders", json=orders)
        found: list[int] = answer.raise_for_status().json()
        return found

    async def get(self, url: str) -> dict[str, Any]:
        """What an application says."""
        found: dict[str, Any] = (await self._client.get(url)).raise_for_status().json()
        return found

    async def post(self, url: str, content: str = "") -> int:
        """The status of an answer."""
        return (await self._client.post(url, content=content)).status_code

    async def end_of(self, job_id: int) -> dict[str, Any]:
        """What became of a delivery, as soon as it has come to its end."""
        while True:
            found = await self.get(f"{SHOP}/deliveries/{job_id}")
            if found["status"] not in {"pending", "processing"}:
                return found
            await asyncio.sleep(0.02)

    async def all_ended(self) -> dict[str, Any]:
        """What the shop knows, as soon as nothing is left to be done."""
        while True:
            found = await self.get(f"{SHOP}/state")
            if not found["unfinished"]:
                return found
            await asyncio.sleep(0.02)


async def one_by_one(users: Users) -> None:
    say("1. An order is placed, and answered at once; the call of the warehouse is a job")
    (first,) = await users.place(1)
    check("the warehouse has answered 200", await users.end_of(first), ended("completed", attempts=1))
    check("a callback has reached the shop", (await users.all_ended())["notes"], ["order 1 is accepted"])

    say("\n2. A request without the signature gets nowhere")
    forged = await users.post(f"{WAREHOUSE}/hooks/orders", '{"order": 666}')
    check("it is answered 401", forged, 401)

    say("\n3. The warehouse fails twice, and recovers")
    await users.post(f"{WAREHOUSE}/busy?answers=2")
    (second,) = await users.place(2)
    busy = ["the receiver answered 503"] * 2
    check("it took three attempts", await users.end_of(second), ended("completed", *busy, attempts=3))

    say("\n4. The warehouse refuses an order: to try again is of no use")
    (refused,) = await users.place(-1)
    refusal = "the receiver answered 422"
    check("the delivery is dead after one attempt", await users.end_of(refused), ended("dead", refusal, attempts=1))
    notes = (await users.all_ended())["notes"]
    check("the failure callback has reached the shop", notes[0], "order -1 is refused")


def ended(status: str, *history: str, attempts: int) -> dict[str, Any]:
    return {"status": status, "attempts": attempts, "history": [*history]}


async def crash(users: Users, seller: Process, packer: Process) -> None:
    say(f"\n5. {len(MANY)} orders are placed, and in the midst of them the shop is killed")
    await users.place(*MANY)
    assert packer.stdout is not None
    for _ in range(KILLED_AFTER):
        await packer.stdout.readline()
    seller.kill()
    check("the shop is gone, by signal 9", await seller.wait(), -signal.SIGKILL)
    say(f"   kill -9, after {len(await users.get(f'{WAREHOUSE}/packed'))} orders were packed")


async def nothing_lost(users: Users) -> None:
    state = await users.all_ended()
    again = state["sent again after a crash"]
    check("some deliveries were on their way, and are sent again", again > 0, expected=True)
    say(f"   the warehouse got {again} requests that it may have had before, each with the id of the first")
    often = await users.get(f"{WAREHOUSE}/packed")
    check("each order was packed once", often, {str(order): 1 for order in (1, 2, *MANY)})
    notes = sorted([*(f"order {order} is accepted" for order in (1, 2, *MANY)), "order -1 is refused"])
    check("the shop knows each end once", state["notes"], notes)


async def story(shop_port: socket.socket, warehouse_port: socket.socket) -> None:
    async with (
        asyncio.timeout(LONGEST),
        httpx.AsyncClient(timeout=LONGEST, trust_env=False) as client,
        serving("warehouse", warehouse_port) as packer,
    ):
        users = Users(client)
        async with serving("shop", shop_port) as seller:
            await one_by_one(users)
            await crash(users, seller, packer)
        say("\n6. The shop is started again on the same file")
        async with serving("shop", shop_port):
            await nothing_lost(users)


def main() -> None:
    global SHOP, WAREHOUSE  # each story has ports of its own
    began = time.monotonic()
    # As Ctrl-C, which asyncio turns into a cancellation: the servers end, the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with (
        tempfile.TemporaryDirectory(prefix="http-delivery-") as folder,
        socket.create_server(("127.0.0.1", 0)) as shop_port,
        socket.create_server(("127.0.0.1", 0)) as warehouse_port,
    ):
        SHOP, WAREHOUSE = [f"http://127.0.0.1:{port.getsockname()[1]}" for port in (shop_port, warehouse_port)]
        database = str(Path(folder) / "shop.db")
        os.environ.update(SHOP_URL=SHOP, WAREHOUSE_URL=WAREHOUSE, AIOJOBS_LITE_DATABASE=database)
        asyncio.run(story(shop_port, warehouse_port))
    say(f"\nNothing was lost. This took {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        main()

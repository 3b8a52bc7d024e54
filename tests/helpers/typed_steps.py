"""A program with events and durable steps, of which `tests/test_typing.py` compares what type checkers say.

After `# R:` stands what is revealed. After `# E:` stands what the text of an error contains: it names the argument.
After `# P:` stands the same of pyright; mypy refuses the line as well, but names no argument where a method has several
signatures.
"""

STEPS = """
from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any

from pydantic import BaseModel

from aiojobs_lite import JobContext, JobRunner, Jobs, injected
from aiojobs_lite.events import Event, EventToSend
from aiojobs_lite.steps import Step

jobs = Jobs()
runner = JobRunner("app.db", jobs=[jobs])


class User(BaseModel):
    name: str


class SignedUp(BaseModel):
    user_id: int


class Mailer:
    def send(self, to: str, *, copies: int = 1) -> bool: raise NotImplementedError
    async def send_async(self, to: str) -> bool: raise NotImplementedError


class Plain:
    def __call__(self, number: int) -> str: raise NotImplementedError


class Asynchronous:
    async def __call__(self, number: int) -> str: raise NotImplementedError


async def fetch(number: int) -> User: raise NotImplementedError
def plain(number: int, *, text: str = "") -> list[int]: raise NotImplementedError
def awaitable(number: int) -> Awaitable[float]: raise NotImplementedError
async def nothing() -> None: ...
async def perhaps() -> int | None: raise NotImplementedError
async def anything() -> Any: ...
@jobs.job
async def child(number: int, email: str = "") -> dict[str, int]: raise NotImplementedError
@jobs.job
async def parent(ctx: JobContext = injected) -> User: raise NotImplementedError
@jobs.job
def threaded(number: int) -> bytes: raise NotImplementedError


async def steps(ctx: JobContext, mailer: Mailer) -> None:
    reveal_type(await ctx.step("a", fetch, 1))  # R: User
    reveal_type(await ctx.step("a", fetch, number=1))  # R: User
    reveal_type(await ctx.step("a", plain, 1, text="x"))  # R: list[int]
    reveal_type(await ctx.step(Step("a", max_attempts=3, timeout="30s"), fetch, 1))  # R: User
    reveal_type(await ctx.step(Step("a", max_attempts=3), plain, 1))  # R: list[int]
    reveal_type(await ctx.step("a", partial(fetch, 1)))  # R: User
    reveal_type(await ctx.step("a", partial(plain, text="x"), 1))  # R: list[int]
    reveal_type(await ctx.step("a", mailer.send, "x", copies=2))  # R: bool
    reveal_type(await ctx.step("a", mailer.send_async, "x"))  # R: bool
    reveal_type(await ctx.step("a", Plain(), 1))  # R: str
    reveal_type(await ctx.step("a", Asynchronous(), 1))  # R: str
    reveal_type(await ctx.step("a", lambda: 7))  # R: int
    reveal_type(await ctx.step("a", lambda: fetch(1)))  # R: User
    reveal_type(await ctx.step("a", awaitable, 1))  # R: float
    reveal_type(await ctx.step("a", nothing))  # R: None
    reveal_type(await ctx.step("a", perhaps))  # R: int | None
    reveal_type(await ctx.step("a", anything))  # R: Any
    reveal_type(await ctx.step("a", User, name="x"))  # R: User
    reveal_type(await ctx.enqueue_once("e", child, 1))  # R: JobHandle[dict[str, int]]
    reveal_type(await ctx.enqueue_once("e", parent.using(delay="1h")))  # R: JobHandle[User]
    reveal_type(await ctx.enqueue(threaded, 1))  # R: JobHandle[bytes]
    reveal_type(await ctx.sleep("s", "3d"))  # R: None
    reveal_type(await ctx.now())  # R: datetime
    reveal_type(await ctx.uuid())  # R: UUID
    reveal_type(await ctx.random())  # R: float


async def children(ctx: JobContext) -> None:
    reveal_type(await ctx.invoke("i", child, 1, email="x"))  # R: dict[str, int]
    reveal_type(await ctx.invoke(Step("i", timeout="1h"), child.using(priority="low"), 1))  # R: dict[str, int]
    reveal_type(await ctx.invoke("i", parent))  # R: User
    reveal_type(await ctx.invoke("i", threaded, 1))  # R: bytes
    reveal_type(await ctx.enqueue_once("e", child, 1))  # R: JobHandle[dict[str, int]]
    reveal_type(await ctx.gather("g", [child.bind(n) for n in range(3)]))  # R: list[dict[str, int]]
    reveal_type(await ctx.gather("g", [child.bind(1), child.using(label="x").bind(2)]))  # R: list[dict[str, int]]


async def events(ctx: JobContext) -> None:
    reveal_type(await ctx.wait_for_event("w", "user/replied", match={"user_id": 1}))  # R: Event[Any] | None
    reveal_type(await ctx.wait_for_event("w", "user/replied", data=SignedUp, timeout="7d"))  # R: Event[SignedUp] | None
    reveal_type(await ctx.wait_for_event("w", "x", data=dict[str, int]))  # R: Event[dict[str, int]] | None
    reply = await ctx.wait_for_event("w", "user/replied", data=SignedUp)
    assert reply is not None
    reveal_type(reply.data)  # R: SignedUp
    reveal_type(reply.data.user_id)  # R: int
    reveal_type(await ctx.send("s", "user/replied", {"x": 1}))  # R: None
    sent = await runner.send("user/signed.up", SignedUp(user_id=1), id="signup-1")
    reveal_type(sent)  # R: SentEvent
    reveal_type((sent.id, sent.is_new))  # R: tuple[str, bool]
    reveal_type(sent.handles)  # R: tuple[JobHandle[Any], ...]
    reveal_type(await runner.events.send_many([EventToSend("x")]))  # R: list[SentEvent]
    reveal_type(await runner.events.list())  # R: list[StoredEvent]


@runner.on("user/signed.up", when=lambda event: event.data["user_id"] == 1)
async def welcome(event: Event[SignedUp], ctx: JobContext = injected) -> str:
    reveal_type(event.data)  # R: SignedUp
    reveal_type(event.data.user_id)  # R: int
    reveal_type(event.sent_at)  # R: datetime
    return event.name


@jobs.on(["user/*", "org/left"], max_attempts=3)
async def other(event: Event[dict[str, int]], *, ctx: JobContext = injected) -> None:
    reveal_type(event.data["x"])  # R: int


async def calling(event: Event[SignedUp], ctx: JobContext) -> None:
    reveal_type(await welcome(event, ctx))  # R: str


async def wrong(ctx: JobContext, mailer: Mailer) -> None:
    await ctx.step("a", fetch, "1")  # P: "number"
    await ctx.step("a", fetch, nubmer=1)  # P: "nubmer"
    await ctx.step("a", fetch)  # P: "number"
    await ctx.step("a", plain, 1, text=2)  # E: "text"
    await ctx.step("a", plain, 1, txet="")  # E: "txet"
    await ctx.step("a", mailer.send, "x", copies="2")  # E: "copies"
    await ctx.step(1, fetch, 1)  # P: "step"
    await ctx.step("a", 3)  # P: "function"
    await ctx.step("a", partial(fetch, "x"))  # E: "fetch"
    await ctx.step(Step("a", max_atempts=3), fetch, 1)  # E: "max_atempts"
    await ctx.invoke("i", child, "1")  # E: "int"
    await ctx.invoke("i", child, number="1")  # E: "number"
    await ctx.invoke("i", child, 1, emial="x")  # E: "emial"
    await ctx.invoke("i", child)  # E: "number"
    await ctx.invoke("i", fetch, 1)  # E: Enqueueable[
    await ctx.gather("g", [child])  # E: BoundJob[
    await ctx.wait_for_event("w", "x", match={"user_id": [1]})  # E: "list[int]
    await ctx.wait_for_event("w", "x", timeout=b"7d")  # E: "timeout"
    await ctx.wait_for_event("w", "x", mach={"user_id": 1})  # E: "mach"
    await ctx.wait_for_event("w", "x", data=7)  # E: "data"
    await ctx.send("s", "x", id=7)  # E: "id"
    await ctx.sleep("s", b"3d")  # E: Argument
    await ctx.sleep_until("s", "3d")  # E: "datetime"
    await runner.send("x", id=7)  # E: "id"
    await runner.send(welcome)  # E: DeclaredJob[
    await runner.events.send_many([("x", {})])  # E: "EventToSend"
"""

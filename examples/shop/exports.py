"""CSV files of all orders, made on request and deleted at night."""

import asyncio
import csv
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aiojobs_lite import JobContext, Jobs, injected

from . import mail, settings
from .database import Export, Order

jobs = Jobs()


@jobs.job(name="exports.make", timeout="10m")
async def make(email: str, *, ctx: JobContext = injected, session: AsyncSession = injected) -> Path:
    orders = (await session.scalars(select(Order).order_by(Order.id))).all()
    path = settings.FOLDER / f"orders-{ctx.key}.csv"  # another attempt writes the same file
    await asyncio.to_thread(write, path, [(order.id, order.email, order.article) for order in orders])
    await session.merge(Export(path=str(path), made_at=ctx.created_at.replace(tzinfo=None)))
    once = mail.send.using(idempotency_key=f"export {ctx.key}")  # another attempt enqueues no second mail
    # The session is still open. That is safe, since the shop and its jobs have a file each. In one shared file the
    # session would have the lock that `ctx.enqueue` waits for; there it is `ctx.enqueue_in(session, once, ...)`.
    await ctx.enqueue(once, to=email, subject="Your export", text=f"{len(orders)} orders are in {path.name}")
    return path


def write(path: Path, rows: list[tuple[int, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("order", "email", "article"), *rows])


@jobs.cron("30 3 * * *", tz="Europe/London", name="exports.clean_up")
async def clean_up(ctx: JobContext = injected, session: AsyncSession = injected) -> int:
    assert ctx.tick
    before = (ctx.tick - timedelta(days=7)).replace(tzinfo=None)
    old = (await session.scalars(delete(Export).where(Export.made_at < before).returning(Export.path))).all()
    for path in old:
        await asyncio.to_thread(Path(path).unlink, missing_ok=True)
    return len(old)

"""The runner and the endpoints. Needs `sqlalchemy[asyncio]`; run `uvicorn examples.shop.main:app`."""

from uuid import uuid4

import httpx
from fastapi import FastAPI, Response, UploadFile
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from aiojobs_lite import Job, JobNotFound, JobRunner, PerAttempt

from . import database, exports, images, mail, settings, webhooks

runner = JobRunner(
    settings.FOLDER / "jobs.db",
    jobs=[mail, exports, images, webhooks],
    deps={
        AsyncEngine: database.engine,
        AsyncSession: PerAttempt(database.session),
        httpx.AsyncClient: lambda: httpx.AsyncClient(timeout=10),  # closed after the drain
        mail.Smtp: mail.Smtp(settings.SMTP_HOST, settings.SMTP_PORT),
    },
)
app = FastAPI(lifespan=runner.lifespan)
app.add_exception_handler(JobNotFound, lambda _, error: Response(str(error), 404))


@app.post("/orders", status_code=202)
async def order(email: str, article: str) -> int:
    async with database.sessions.begin() as session:
        session.add(placed := database.Order(email=email, article=article))
    receipt = mail.send.bind(to=email, subject=f"Order {placed.id}", text=f"We send you: {article}")
    announced = webhooks.announce.bind(order=placed.id, article=article)
    await runner.enqueue_many([receipt, announced])  # after the commit; both, or none
    return placed.id


@app.post("/exports", status_code=202)
async def export(email: str) -> int:
    return (await runner.enqueue(exports.make, email=email)).id


@app.post("/images", status_code=202)
def upload(file: UploadFile) -> int:
    path = settings.FOLDER / f"{uuid4()}.ppm"  # a job holds the path of a file, not the file
    path.write_bytes(file.file.read())
    return runner.enqueue_threadsafe(images.thumbnail, source=path).id


@app.get("/jobs/{job_id}")
async def look_up(job_id: int) -> Job:
    return await runner.jobs.get(job_id)

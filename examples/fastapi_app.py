"""Run `uvicorn examples.fastapi_app:app`, call it as below, kill it, run it again: its jobs are still there.

curl -X POST "localhost:8000/users?email=a@example.org"
curl -F "file=@examples/time_zones.csv" localhost:8000/reports
curl localhost:8000/jobs/1
curl localhost:8000/stats
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI, Response, UploadFile

from aiojobs_lite import Job, JobNotFound, JobRunner, RunnerStats

runner = JobRunner("app.db")


@runner.job(max_attempts=5, timeout="30s", concurrency=5)
async def welcome(email: str) -> str:
    return f"welcomed {email}"  # here: talk to your mail server


@runner.job
def report(path: Path) -> str:  # a plain def runs in a thread: it may block
    return f"{len(path.read_text('utf-8').splitlines())} lines"


async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with runner:
        yield


app = FastAPI(lifespan=asynccontextmanager(lifespan))
app.add_exception_handler(JobNotFound, lambda _, error: Response(str(error), 404))


@app.post("/users", status_code=202)
async def sign_up(email: str) -> int:
    return (await runner.enqueue(welcome.using(idempotency_key=email), email=email)).id


@app.post("/reports", status_code=202)
def upload(file: UploadFile) -> int:
    path = Path(f"upload-{uuid4()}.csv").resolve()  # beside the database; a job holds the path of a file, not the file
    path.write_bytes(file.file.read())
    return runner.enqueue_threadsafe(report, path=path).id


@app.get("/jobs/{job_id}")
async def look_up(job_id: int) -> Job:
    return await runner.jobs.get(job_id)


@app.get("/stats")
async def stats() -> RunnerStats:
    return runner.stats()

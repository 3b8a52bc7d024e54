"""Run `uvicorn examples.progress:app`, start a job, and watch it as `new EventSource(...)` does in a browser.

curl -X POST "localhost:8000/videos?title=holidays"
curl -N localhost:8000/videos/1/events
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Final

from fastapi import FastAPI, Header, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse

from aiojobs_lite import JobContext, JobNotFound, JobRunner, RunnerClosed, injected

LIFE_S: Final = 300.0  # of one answer: no proxy holds one for ever, and a browser asks again by itself
SILENT_S: Final = 15.0  # then a comment is sent: a proxy closes what is silent, and a reader that is gone is noticed

runner = JobRunner("app.db")
app = FastAPI(lifespan=runner.lifespan)
app.add_exception_handler(JobNotFound, lambda _, error: Response(str(error), 404))


@runner.job
async def render(title: str, frames: int, ctx: JobContext = injected) -> str:
    for frame in range(frames):
        if frame % 10 == 0:
            ctx.log(f"frame {frame} of {frames}")
        await asyncio.sleep(0.1)  # here: render a frame
        await ctx.progress((frame + 1) / frames, "rendering")
    return f"{title}.mp4"


@app.post("/videos", status_code=202)
async def start(title: str, frames: int = 100) -> int:
    return (await runner.enqueue(render, title=title, frames=frames)).id


@app.get("/videos/{job_id}/events")
async def events(job_id: int, last_event_id: Annotated[int, Header()] = 0) -> StreamingResponse:
    await runner.jobs.get(job_id)  # answers 404 if there is none
    stream = changes(job_id, last_event_id, LIFE_S)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def changes(job_id: int, seen: int, life_s: float) -> AsyncIterator[str]:
    """The changes of a job as server-sent events, without the lines up to the one that the browser names."""
    watch = runner.jobs.watch(job_id, from_start=True)
    now = asyncio.get_running_loop().time
    ends = now() + life_s
    yield "retry: 1000\n\n"  # milliseconds until the browser asks again
    while now() < ends:
        try:
            async with asyncio.timeout_at(min(now() + SILENT_S, ends)):
                change = await anext(watch, None)
        except TimeoutError:
            yield ":\n\n"
            continue
        except RunnerClosed:  # this process stops; the next one answers the browser
            return
        if change is None:  # the one before was the last
            yield "event: end\ndata:\n\n"
            return
        change = replace(change, lines=tuple(line for line in change.lines if line.number > seen))
        seen = max([seen, *(line.number for line in change.lines)])
        yield f"id: {seen}\ndata: {json.dumps(jsonable_encoder(change))}\n\n"

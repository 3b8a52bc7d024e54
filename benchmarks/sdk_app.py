"""An app as a user has it: three steps by the SDK for Python, under FastAPI. `python -m benchmarks.sdk_app`."""

from __future__ import annotations

import asyncio

import inngest
import inngest.fast_api
import uvicorn
from fastapi import FastAPI

from benchmarks.inngest import EVENT, STEPS

_client = inngest.Inngest(app_id="bench", is_production=False)


@_client.create_function(fn_id="three", trigger=inngest.TriggerEvent(event=EVENT))
async def _three(ctx: inngest.Context) -> dict[str, bool]:
    for number in range(STEPS):
        await ctx.step.run(f"step-{number}", _step, number)
    return {"done": True}


async def _step(number: int) -> dict[str, int]:
    return {"n": number}


async def serve() -> None:
    """Serves until the process is killed."""
    app = FastAPI()
    inngest.fast_api.serve(app, _client, [_three], serve_path="/api")
    config = uvicorn.Config(app, log_level="warning")
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(serve())

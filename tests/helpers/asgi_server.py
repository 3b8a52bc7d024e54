"""A real server on loopback, within the event loop of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.helpers.waiting import until


@asynccontextmanager
async def served(app: Any, port: int = 0) -> AsyncIterator[str]:
    """Serves an ASGI application by uvicorn; gives its address, such as `http://127.0.0.1:5000`.

    Args:
        app: The application.
        port: Its port; 0: one that is free.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
        task = asyncio.create_task(server.serve([listening]))
        try:
            await until(lambda: server.started or task.done())
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task

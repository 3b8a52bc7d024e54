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
async def served(app: Any, listening: socket.socket | None = None) -> AsyncIterator[str]:
    """Serves an ASGI application by uvicorn; gives its address, such as `http://127.0.0.1:5000`.

    Args:
        app: The application.
        listening: The socket that it gets its clients from; None: one on a port that is free. It is closed at the end.
    """
    with listening or socket.create_server(("127.0.0.1", 0)) as opened:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
        task = asyncio.create_task(server.serve([opened]))
        try:
            await until(lambda: server.started or task.done())
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task

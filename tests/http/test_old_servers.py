"""An answer of HTTP/1.0 is read to the end of its connection, whatever header of a later version it has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from aiojobs_lite.http.old_servers import is_unfinished
from aiojobs_lite.http.session import HttpRequest, open_session
from tests.helpers.endpoints import Received, endpoint
from tests.helpers.pauses import pause

OLD = b"HTTP/1.0 201 Created\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\nX-B: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


async def answered(parts: Sequence[bytes]) -> tuple[int, str]:
    """What is read of an answer that comes in parts, and then the connection ends."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await pause()
        writer.close()

    async with endpoint(answer) as server, open_session(allow_private=True, resolver=None, ssl_context=None) as session:
        found = await session.send(HttpRequest("GET", server.url, (), b"", 10))
        assert len(server.received) == 1
    return found.status, found.body


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([OLD + b'  {"a": 1}'], (201, '  {"a": 1}')),
        ([OLD, b"  ", b"5\r\nabcde"], (201, "  5\r\nabcde")),
        ([OLD[:1], OLD[1:5], OLD[5:40], OLD[40:], b"x"], (201, "x")),
        ([OLD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 2"), b"ab"], (201, "ab")),
        ([OLD.replace(b"Transfer-Encoding", b"transfer-ENCODING"), b"HTTP/1.0 "], (201, "HTTP/1.0 ")),
        ([CHUNKED], (200, "abc")),
        ([CHUNKED[:8], CHUNKED[8:20], CHUNKED[20:]], (200, "abc")),
    ],
)
async def test_an_answer_is_read_as_its_version_says(parts: list[bytes], expected: tuple[int, str]) -> None:
    assert await answered(parts) == expected


def test_headers_that_do_not_end_are_not_kept_for_ever() -> None:
    assert is_unfinished(b"HTTP/1.0 200 OK\r\n" + 60_000 * b"a")
    assert not is_unfinished(b"HTTP/1.0 200 OK\r\n" + 70_000 * b"a")
    assert not is_unfinished(b"HTTP/1.1 200 OK\r\n")

"""A route of Next.js as the guide shows it: `verifySignatureAppRouter` of npm's `@upstash/qstash`, in node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import httpx

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Signer, SigningKeys
from tests.helpers.endpoints import local
from tests.helpers.qstash import CURRENT_KEY, NEXT_KEY, serving
from tests.helpers.receivers import install_client, run_node
from tests.helpers.rings import slow
from tests.helpers.waiting import until

_ROUTE: Final = Path(__file__).parents[1] / "helpers" / "next_route.mjs"
_KEYS: Final = SigningKeys(CURRENT_KEY, NEXT_KEY)
_BODIES: Final = ['{"order":7}', "Grüße ☃", ""]
_FORGED: Final = 5


async def forge(url: str) -> list[int]:
    """What forged messages are answered."""
    signer, body = Signer(_KEYS, scheme="upstash"), b'{"order":7}'
    signed = signer.sign(body, message_id="m", url=url)
    stranger = Signer(SigningKeys.generate("upstash"), scheme="upstash").sign(body, message_id="m", url=url)
    head, payload, signature = signed["Upstash-Signature"].split(".")
    cut = {"Upstash-Signature": f"{head}.{payload}.{signature[:-4]}AAAA"}
    async with httpx.AsyncClient() as client:
        sent = [(b'{"order":8}', signed), (b"", signed), (body, stranger), (body, cut), (body, {})]
        assert len(sent) == _FORGED
        return [(await client.post(url, content=content, headers=headers)).status_code for content, headers in sent]


@slow
async def test_a_route_of_nextjs_accepts_what_is_delivered_and_refuses_what_is_forged(tmp_path: Path) -> None:
    await asyncio.to_thread(install_client, tmp_path)
    requests = 1 + len(_BODIES) + _FORGED  # the first is answered 503, and comes again
    given = [str(_ROUTE), str(tmp_path), CURRENT_KEY, NEXT_KEY, str(requests)]
    running = asyncio.ensure_future(asyncio.to_thread(run_node, given))
    await until(lambda: (tmp_path / "port").exists() or running.done())
    url = f"http://127.0.0.1:{(tmp_path / 'port').read_text()}/api/order"
    http = local()
    runner = JobRunner(":memory:", jobs=[http])
    async with serving(runner, http) as api:
        for place, body in enumerate(_BODIES, 1):
            made = await api.post(f"/v2/publish/{url}", content=body, headers={"Upstash-Retry-Delay": "20"})
            assert made.status_code == 200
            await until(lambda: runner.stats().completed == place)  # noqa: B023  # awaited in its turn
            if place == 1:
                assert (await api.post("/v2/keys/rotate")).json()["current"] == NEXT_KEY
    assert await forge(url) == [500, 500, 500, 500, 403]  # what it throws is a 500, so that a sender tries it again
    found = await running
    assert [(one["body"], one["retried"]) for one in found["handled"]] == [
        (_BODIES[0], "0"), (_BODIES[0], "1"), (_BODIES[1], "0"), (_BODIES[2], "0"),
    ]  # fmt: skip
    assert found["answered"][: len(found["handled"])] == [503, 200, 200, 200]

"""The dependency of FastAPI, by a real server on loopback."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from aiojobs_lite import InvalidOption
from aiojobs_lite.http import VerifiedMessage, VerifyMiddleware
from tests.helpers.asgi_server import served
from tests.helpers.rings import slow
from tests.helpers.signed import BODY, SCHEMES, signed, verifier

pytestmark = slow

JSON = {"content-type": "application/json"}
RAN: list[VerifiedMessage] = []
BY_SCHEME = {scheme: Depends(verifier(scheme).dependency(largest_body=1_000)) for scheme in SCHEMES}


class User(BaseModel):
    user: int


def app_of(scheme: str) -> FastAPI:
    app = FastAPI()

    async def hook(message: Annotated[VerifiedMessage, BY_SCHEME[scheme]]) -> str:
        RAN.append(message)
        return message.id

    async def model(user: User, message: Annotated[VerifiedMessage, BY_SCHEME[scheme]]) -> int:
        assert User.model_validate_json(message.body) == user
        return user.user

    hook.__annotations__["message"] = model.__annotations__["message"] = Annotated[VerifiedMessage, BY_SCHEME[scheme]]
    model.__annotations__["user"] = User
    app.post("/hooks")(hook)
    app.post("/model")(model)
    return app


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_an_endpoint_gets_the_message(scheme: str) -> None:
    body = bytes(range(250)) * 4
    async with served(app_of(scheme)) as address, httpx.AsyncClient(base_url=address) as client:
        answer = await client.post("/hooks", content=body, headers=signed(scheme, body))
        assert (answer.status_code, answer.json()) == (200, "msg_1")
        parsed = await client.post("/model", content=BODY, headers=JSON | signed(scheme))
        assert (parsed.status_code, parsed.json()) == (200, 1)
    assert [(message.id, message.body) for message in RAN] == [("msg_1", body)]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_is_not_signed_or_too_large_runs_nothing(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiojobs_lite.http")
    requests: list[tuple[str, bytes, dict[str, str]]] = [
        ("/hooks", BODY, {}), ("/hooks", b"", signed(scheme)), ("/model", b'{"user": 2}', JSON | signed(scheme)),
    ]  # fmt: skip
    async with served(app_of(scheme)) as address, httpx.AsyncClient(base_url=address) as client:
        refused = [await client.post(path, content=body, headers=headers) for path, body, headers in requests]
        large = await client.post("/hooks", content=bytes(1_001), headers=signed(scheme, bytes(1_001)))
    refusal = (401, '{"detail":"the message has no valid signature"}')
    assert {(one.status_code, one.text) for one in refused} == {refusal}
    assert (large.status_code, large.json()) == (413, {"detail": "the body is too large"})
    assert (RAN, len([one for one in caplog.records if one.name.startswith("aiojobs_lite.")])) == ([], 3)


def test_an_endpoint_that_would_run_unverified_cannot_be_declared() -> None:
    """Without `Depends` the message was read from the body, and without its call the dependency let each request in."""
    app, forgotten = FastAPI(), verifier("standard").dependency

    async def reads(message: VerifiedMessage) -> None: ...

    async def needs(message: Any) -> None: ...

    reads.__annotations__["message"] = VerifiedMessage
    needs.__annotations__["message"] = Annotated[VerifiedMessage, Depends(forgotten)]
    wanted = r"expected Annotated\[VerifiedMessage, Depends\(verifier.dependency\(\)\)\] in an endpoint"
    for declare in (
        lambda: app.post("/reads")(reads),
        lambda: app.post("/needs")(needs),
        lambda: app.post("/depends", dependencies=[Depends(forgotten)])(lambda: None),
    ):
        with pytest.raises(InvalidOption, match=wanted):
            declare()


async def test_the_endpoint_may_read_the_body_again() -> None:
    app, verified = FastAPI(), Depends(verifier("standard").dependency())

    async def hook(request: Request) -> list[Any]:
        return [(await request.body()).decode(), await request.json()]

    hook.__annotations__["request"] = Request
    app.post("/hooks", dependencies=[verified])(hook)
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        answer = await client.post("/hooks", content=BODY, headers=signed("standard"))
    assert answer.json() == [BODY.decode(), {"user": 1}]


async def test_it_works_below_the_middleware(caplog: pytest.LogCaptureFixture) -> None:
    app: Any = VerifyMiddleware(app_of("standard"), verifier=verifier("standard"))
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.post("/hooks", content=BODY, headers=signed("standard"))).json() == "msg_1"


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidOption, match="largest_body=0"):
        verifier("standard").dependency(largest_body=0)

"""The application: who is let in, which endpoint serves a request, what errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from aiojobs_lite import InvalidOption, JobNotFound, JobRunner, PayloadTooLarge, RunnerClosed, StoreUnavailable
from aiojobs_lite.errors import QueueFull, ScheduleNotFound, UnknownLimit
from aiojobs_lite.http import Http
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.qstash import qstash_app
from aiojobs_lite.qstash.api import Api, Route, answer
from aiojobs_lite.qstash.app import QStashApp
from aiojobs_lite.qstash.settings import DEVELOPMENT_TOKEN, QStashSettings
from tests.helpers.asgi_server import served
from tests.helpers.endpoints import local
from tests.helpers.qstash import READ_TOKEN, TOKEN, client, serving

WRONG = {"error": "the token is wrong or missing: send Authorization: Bearer <token>"}
NO_PATH = {
    "error": "there is no such path: QSTASH_URL of a client is the URL of the mount, without /v2, "
    "and a slash at the end counts"
}
ONLY_READS = {"error": "this token only reads: send the token of the application"}
LOCAL = {"error": "development mode serves clients on this machine alone, at http://127.0.0.1 or localhost"}


async def echo(api: Api, request: Request) -> Response:
    del api
    return answer({"found": dict(request.path_params), "method": request.method})


def app_with(*routes: Route) -> QStashApp:
    http = Http()
    return QStashApp(Api(JobRunner(":memory:", jobs=[http]), http, QStashSettings(TOKEN), StoredSigner()), routes)


@pytest.mark.parametrize("given", ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", f"Bearer {DEVELOPMENT_TOKEN}"])
@pytest.mark.parametrize("path", ["/v2/keys", "/v2/nothing"])
async def test_a_wrong_token_is_answered_401_whatever_the_path(given: str, path: str) -> None:
    async with serving() as api:
        found = await api.get(path, headers={"Authorization": given})
    assert (found.status_code, found.json()) == (401, WRONG)


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
async def test_the_token_is_in_a_header(given: str) -> None:
    async with serving() as api:
        assert (await api.get("/v2/keys", headers={"Authorization": given})).status_code == 200


async def test_the_token_is_a_parameter_of_the_query_unless_the_header_has_one() -> None:
    async with serving() as api:
        del api.headers["Authorization"]
        assert (await api.get("/v2/keys", params={"qstash_token": TOKEN})).status_code == 200
        assert (await api.get("/v2/keys", params={"qstash_token": "x"})).status_code == 401
        wrong = {"Authorization": "Bearer x"}
        assert (await api.get("/v2/keys", params={"qstash_token": TOKEN}, headers=wrong)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "events"), ("GET", "logs"), ("GET", "dlq"), ("DELETE", "messages"), ("POST", "flowControl/a/pin?rate=5")],
)
async def test_a_token_in_the_query_is_no_parameter_of_an_endpoint(method: str, path: str) -> None:
    async with serving() as api:
        del api.headers["Authorization"]
        joint = "&" if "?" in path else "?"
        found = await api.request(method, f"/v2/{path}{joint}qstash_token={TOKEN}")
    assert (found.status_code, "error" in found.text) == (200, False)


async def test_a_token_that_only_reads_changes_nothing_and_gets_no_keys() -> None:
    app = app_with(Route("GET", "/v2/a", echo), Route("POST", "/v2/a", echo))
    http = local()
    real = qstash_app(JobRunner(":memory:", jobs=[http]), http, token=TOKEN, read_token=READ_TOKEN)
    assert isinstance(real, QStashApp)
    async with serving() as api:
        api.headers["Authorization"] = f"Bearer {READ_TOKEN}"
        refused = [await api.get("/v2/keys"), await api.post("/v2/keys/rotate")]
    assert [(found.status_code, found.json()) for found in refused] == [(403, ONLY_READS)] * 2
    async with client(app) as api:
        assert (await api.get("/v2/a")).status_code == 200


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v2/one/a", {"id": "a"}),
        ("/v2/one/a%20b%2Fc", {"id": "a b/c"}),
        ("/v2/rest/a//b%20c/pause", {"key": "a//b c"}),
        ("/v2/raw/https://example.com/a%2Fb//c", {"to": "https://example.com/a%2Fb//c"}),
    ],
)
@pytest.mark.parametrize("mount", ["", "/qstash", "/a b"])
async def test_the_parts_of_a_path_are_given_to_the_endpoint(path: str, found: dict[str, str], mount: str) -> None:
    app = app_with(
        Route("GET", "/v2/one/{id}", echo), Route("GET", "/v2/rest/{key:rest}/pause", echo),
        Route("GET", "/v2/raw/{to:raw}", echo),
    )  # fmt: skip
    async with client(app, mount=mount) as api:
        assert (await api.get(path)).json()["found"] == found


@pytest.mark.parametrize("outer", ["/q", "/a b/c"])
async def test_it_is_mounted_below_any_path_of_any_depth(outer: str) -> None:
    inner = Starlette(routes=[Mount("/inner", app=app_with(Route("GET", "/v2/raw/{to:raw}", echo)))])
    async with client(Starlette(routes=[Mount(outer, app=inner)])) as api:
        found = await api.get(f"{outer}/inner/v2/raw/https://example.com//a%2Fb/?x=1")
        assert found.json()["found"] == {"to": "https://example.com//a%2Fb/"}
        assert (await api.get(f"{outer}/inner/v2/raw/")).json() == NO_PATH


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/v2/one/", "/v2/one/a/", "/v2//one/a", "/v2/one", "/one/a", "//v2/one/a"]
)
async def test_an_unknown_path_is_answered_404_and_no_slash_is_added_or_taken_away(path: str) -> None:
    async with client(app_with(Route("GET", "/v2/one/{id}", echo))) as api:
        found = await api.get(f"http://qstash.test{path}")
    assert (found.status_code, found.json()) == (404, NO_PATH)


async def test_another_method_is_answered_405_with_those_that_there_are() -> None:
    routes = Route("POST", "/v2/a", echo), Route("DELETE", "/v2/a", echo), Route("POST", "/v2/{x}", echo)
    async with client(app_with(*routes)) as api:
        found = await api.put("/v2/a")
    assert (found.status_code, found.headers["allow"]) == (405, "DELETE, POST")
    assert found.json() == {"error": "PUT is not for this path"}


async def test_the_first_route_that_fits_serves() -> None:
    async def other(api: Api, request: Request) -> Response:
        raise ApiError(418, "other")

    async with client(app_with(Route("GET", "/v2/a", echo), Route("GET", "/v2/{x}", other))) as api:
        assert ((await api.get("/v2/a")).status_code, (await api.get("/v2/b")).status_code) == (200, 418)


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (JobNotFound(7), 404, None), (ScheduleNotFound("a"), 404, None), (UnknownLimit("a", []), 404, None),
        (PayloadTooLarge("a", 9, 8), 413, None), (QueueFull("a", 9, 8, 1.2), 429, "2"),
        (StoreUnavailable("LOCKED", "it is locked"), 503, None), (RunnerClosed(), 503, None),
        (InvalidOption("a", 1, "b"), 400, None),
    ],
)  # fmt: skip
async def test_errors_of_the_library_have_their_status(error: Any, status: int, after: str | None) -> None:
    async def fails(api: Api, request: Request) -> Response:
        raise error

    async with client(app_with(Route("GET", "/v2/a", fails))) as api:
        found = await api.get("/v2/a")
    assert (found.status_code, found.json(), found.headers.get("retry-after")) == (status, {"error": str(error)}, after)


async def test_a_fault_of_another_kind_is_the_servers() -> None:
    async def fails(api: Api, request: Request) -> Response:
        raise ZeroDivisionError

    app = app_with(Route("GET", "/v2/a", fails))
    async with client(app) as api:
        with pytest.raises(ZeroDivisionError):  # its server logs it
            await api.get("/v2/a")
    async with served(app) as url, httpx.AsyncClient() as api:
        found = await api.get(f"{url}/v2/a", headers={"Authorization": f"Bearer {TOKEN}"})
    said = {"error": "this is a fault of the server: the log of the application says more"}
    assert (found.status_code, found.json()) == (500, said)


async def test_a_runner_that_is_not_started_is_answered_503() -> None:
    http = local()
    async with client(qstash_app(JobRunner(":memory:", jobs=[http]), http, token=TOKEN)) as api:
        found = await api.get("/v2/keys")
    assert found.status_code == 503
    assert "not started" in found.json()["error"]


# Development mode.


@asynccontextmanager
async def development(*, base: str, peer: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in development mode."""
    http = local()
    runner = JobRunner(":memory:", jobs=[http])
    app = qstash_app(runner, http, development=True)
    async with runner, client(app, token=DEVELOPMENT_TOKEN, base=base, peer=peer) as api:
        yield api


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://[::1]:8080"])
@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:3"])
async def test_development_mode_serves_this_machine(base: str, host: str) -> None:
    async with development(base=base, peer="127.0.0.1") as api:
        found = await api.get("/v2/keys", headers={"Host": host})
    assert found.json() == {
        "current": "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "next": "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("base", "peer", "host"),
    [
        ("http://192.0.2.1:8080", "127.0.0.1", "localhost"),
        ("http://127.0.0.1:8080", "192.0.2.7", "localhost"),
        ("http://127.0.0.1:8080", "proxy", "localhost"),
        ("http://127.0.0.1:8080", "127.0.0.1", "rebound.example:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1", ""),
    ],
)
async def test_development_mode_serves_nothing_else(base: str, peer: str, host: str) -> None:
    async with development(base=base, peer=peer) as api:
        found = await api.get("/v2/keys", headers={"Host": host})
    assert (found.status_code, found.json()) == (403, LOCAL)


async def test_development_mode_takes_no_token_from_a_query() -> None:
    """A page of another site can send that to this machine."""
    async with development(base="http://127.0.0.1:8080", peer="127.0.0.1") as api:
        del api.headers["Authorization"]
        found = await api.get("/v2/keys", params={"qstash_token": DEVELOPMENT_TOKEN})
    assert (found.status_code, found.json()) == (401, WRONG)


# What is no request.


async def test_a_runner_without_the_deliveries_is_a_fault_of_the_server() -> None:
    for runner in (JobRunner(":memory:", jobs=[local()]), JobRunner(":memory:")):
        async with serving(runner, local()) as api:
            found = await api.post("/v2/publish/http://127.0.0.1:9")
        assert found.status_code == 500
        assert found.json()["error"].startswith("the runner has other deliveries, or none: JobRunner(jobs=[http])")


async def test_a_client_that_leaves_before_the_end_of_its_body_publishes_nothing() -> None:
    http, sent = local(), list[Any]()
    runner = JobRunner(":memory:", jobs=[http], max_running=0)
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v2/publish/http://127.0.0.1:9"
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode())], "client": None,
    }  # fmt: skip
    async with runner:
        await qstash_app(runner, http, token=TOKEN)(scope, receive, send)
        assert (sent, parts, await runner.jobs.list()) == ([], [], [])


async def test_the_lifespan_is_taken_and_a_websocket_is_not() -> None:
    app, sent = app_with(), list[Any]()

    async def receive() -> dict[str, str]:
        return {"type": "any"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert [one["type"] for one in sent] == [
        "lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close",
    ]  # fmt: skip

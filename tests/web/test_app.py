"""The application: who is let in, which page serves a request, what errors are answered; and an attacker's list."""

from __future__ import annotations

from itertools import product
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from aiojobs_lite import InvalidOption, JobRunner, StoreUnavailable
from aiojobs_lite.web import basic_auth, jobs_dashboard
from aiojobs_lite.web.app import ALL_VIEWS, HEADERS, DashboardApp
from aiojobs_lite.web.asked import LARGEST_FORM_BYTES, Asked
from aiojobs_lite.web.filters import SEARCH_FIELDS
from aiojobs_lite.web.site import MARK_HEADER, Site, View
from tests.helpers.dashboard import MOUNT, SITE, dashboard, press, tags_of, text_of, visiting

PAGES = sorted({view.path.replace("{}", "1") for view in ALL_VIEWS if view.method == "GET"})
ACTIONS = sorted({view.path.replace("{}", "1") for view in ALL_VIEWS if view.method == "POST"})
CONFIRMED = {"confirmed": "1", "action": "delete", "id": "1", "all": "", "name": "send", "token": "x"}


def runner_with_a_job() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def send(to: str) -> None:
        raise LookupError(to)

    return runner


async def enqueue(runner: JobRunner, **arguments: Any) -> int:
    handle = await runner.enqueue_named("send", **({"to": "ann"} | arguments))
    await runner.run_until_idle()
    return handle.id


# An attacker's list.


async def test_nothing_is_served_without_a_role() -> None:
    async with dashboard(runner_with_a_job(), None) as client:
        for path in ("", *PAGES, *ACTIONS, "nothing", "assets/x/htmx.min.js"):
            for found in (await client.get(f"/{path}"), await client.post(f"/{path}", data=CONFIRMED)):
                assert (found.status_code, found.text) == (403, "this request is not let in\n"), path


async def test_a_reader_changes_nothing() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner, "read") as client:
        job_id = await enqueue(runner)
        for path in ACTIONS:
            found = await client.post(f"/{path}", data=CONFIRMED)
            assert found.status_code == 403, path
            assert "this user may look, and change nothing" in found.text
        assert (await runner.jobs.get(job_id)).status == "dead"


async def test_a_reader_is_offered_nothing_that_changes_anything() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner, "read") as client:
        await enqueue(runner)
        for path in ("", *PAGES):
            tags = tags_of((await client.get(f"/{path}")).text)
            posting = [str(given["action"]) for tag, given in tags if tag == "form" and given.get("method") == "post"]
            assert [action for action in posting if not action.endswith("jobs/many")] == [], path
            assert [given for tag, given in tags if tag == "button" and given.get("name") == "action"] == []


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": f"{SITE}.evil.test"},
    {"Origin": "http://jobs.test:8080"},
    {"Origin": ""},
    {"Origin": "", "Sec-Fetch-Site": "none"},
    {"Origin": SITE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": SITE, "Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"},
]


async def test_a_form_of_another_site_changes_nothing() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        job_id = await enqueue(runner)
        for headers in FOREIGN:
            found = await client.post("/jobs/1/delete", data=CONFIRMED, headers=headers)
            assert found.status_code == 403, headers
            assert "this request came from a page of another site, and was not carried out" in found.text
        assert (await runner.jobs.get(job_id)).status == "dead"


@pytest.mark.parametrize("headers", [{}, {"Origin": "", "Sec-Fetch-Site": "same-origin"}])
async def test_a_form_of_this_site_does(headers: dict[str, str]) -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        await enqueue(runner)
        given = {name: value for name, value in headers.items() if value}
        if "Origin" in headers:
            del client.headers["Origin"]
        assert (await client.post("/jobs/1/delete", data=CONFIRMED, headers=given)).status_code == 303
        assert await runner.jobs.list() == []


METHODS = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "POST2"]


async def test_no_other_method_carries_out_an_action() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        job_id = await enqueue(runner)
        given: dict[str, Any] = {"headers": {"X-HTTP-Method-Override": "POST"}, "params": {"_method": "POST"}}
        for path, method in product(("jobs/1/delete", "jobs/1/retry", "undo"), METHODS):
            request = client.build_request("GET", f"/{path}", **given)
            request.method = method
            found = await client.send(request)
            assert (found.status_code, found.headers["Content-Type"]) == (405, "text/html; charset=utf-8")
            assert method == "HEAD" or f"{method} is not for this page" in found.text
        assert (await runner.jobs.get(job_id)).status == "dead"


TRICKS = [
    "/../jobs", "//jobs", "/jobs/", "/jobs//1", "/jobs/1/", "/jobs/01", "/jobs/-1", "/jobs/1e3", "/jobs/1;x=1", "/JOBS",
    "/jobs/1\x00", "/jobs/1\n", "/jobs\n", "/assets/../app.py", "/assets/x/../app.py", "/assets/x/app.py", "/.",
    "/assets//dashboard.css/..", "/templates/base.html", "/../../etc/passwd", "/jobs/99999999999999999999",
    "/jobs/1\u0661", "/jobs/\uff11", "/jobs\\1", "/assets/x/..\\app.py",
]  # fmt: skip


async def test_a_path_leads_where_it_says_or_nowhere() -> None:
    runner = runner_with_a_job()
    app = jobs_dashboard(runner, auth=lambda _: "admin")
    async with runner:
        await enqueue(runner)
        for trick in TRICKS:
            status, page = await get_as_it_is(app, trick)
            assert (status, "there is no such page" in page) == (404, True), trick


async def get_as_it_is(app: Any, path: str) -> tuple[int, str]:
    """The response to a path that no client puts in order."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": MOUNT + path, "raw_path": quote(MOUNT + path).encode(),
        "root_path": MOUNT, "query_string": b"", "headers": [],
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


async def test_a_form_that_is_too_large_is_refused_before_it_is_read_whole() -> None:
    runner = runner_with_a_job()
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(1_000):
            sent += 10_000
            yield b"x" * 10_000

    async with dashboard(runner) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        found = await client.post("/jobs/many", content=body(), headers=headers)
        assert found.status_code == 413
        assert "the body is too large" in found.text
    assert sent <= LARGEST_FORM_BYTES + 20_000


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"id=1&" * 2_001, "application/x-www-form-urlencoded"),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded"),
        (b"id=%ff", "application/x-www-form-urlencoded"),
        (b'{"id": 1}', "application/json"),
        (b"id=1", "text/plain"),
        (b"id=1", ""),
    ],
)
async def test_what_is_no_form_is_refused(content: bytes, kind: str) -> None:
    async with dashboard(runner_with_a_job()) as client:
        found = await client.post("/jobs/many", content=content, headers={"Content-Type": kind})
        assert found.status_code == 400
        assert "the form cannot be read: send it as a browser does, with at most 2,000 fields" in text_of(found.text)


INJECTIONS = [
    "' OR 1=1 --",
    '"; DROP TABLE aiojobs_jobs; --',
    "%",
    "_",
    "*",
    "\x00",
    "\U0001f600" * 100,
    "1 UNION",
    "x" * 9_000,
]


async def test_a_filter_is_a_value_and_nothing_else() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        await enqueue(runner)
        for name, text in product(["status", *[one.name for one in SEARCH_FIELDS]], INJECTIONS):
            found = await client.get(f"/jobs?{urlencode({name: text})}")
            assert (found.status_code, "jobs/1" in found.text) == (200, False), (name, text)
        for text in INJECTIONS:
            assert (await client.get("/jobs", params={"after": text})).status_code == 200
        assert [job.id for job in await runner.jobs.list()] == [1]


# Who is let in.


async def test_users_are_asked_for_name_and_password() -> None:
    runner = runner_with_a_job()
    app = jobs_dashboard(runner, auth=basic_auth({"ann": "one"}, {"ben": "two"}))
    async with runner, visiting(app) as client:
        refused = await client.get("/")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="jobs", charset="UTF-8"'
        assert refused.text == "name and password, please\n"
        assert (await client.get("/", auth=("ben", "two"))).status_code == 200
        assert (await client.post("/undo", auth=("ben", "two"), data={"a": "b"})).status_code == 403
        assert (await client.post("/undo", auth=("ann", "one"), data={"a": "b"})).status_code == 409


async def test_an_auth_may_be_async_and_is_given_the_request() -> None:
    runner = runner_with_a_job()

    async def auth(request: Any) -> Any:
        return request.headers.get("x-role")

    async with runner, visiting(jobs_dashboard(runner, auth=auth)) as client:
        assert (await client.get("/", headers={"x-role": "read"})).status_code == 200
        assert (await client.get("/")).status_code == 403


@pytest.mark.parametrize("role", ["owner", True, "", ("admin",)])
async def test_an_auth_that_returns_something_else_lets_nothing_in(role: Any) -> None:
    async with dashboard(runner_with_a_job(), role) as client:
        with pytest.raises(InvalidOption, match="a function that returns None, 'read' or 'admin'"):
            await client.get("/")


async def test_an_auth_that_raises_lets_nothing_in() -> None:
    runner = runner_with_a_job()

    def auth(request: Any) -> Any:
        raise OSError("no directory")

    async with runner, visiting(jobs_dashboard(runner, auth=auth)) as client:
        with pytest.raises(OSError, match="no directory"):
            await client.get("/")


# What each response has.


async def test_every_page_has_the_headers_and_no_script_or_style_within_and_links_to_the_mount() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        await enqueue(runner)
        for path in ("", *PAGES, "nothing"):
            found = await client.get(f"/{path}")
            assert {name: found.headers[name] for name in HEADERS} == HEADERS
            assert found.headers["Cache-Control"] == "no-store"
            tags = tags_of(found.text)
            assert [given for tag, given in tags if tag == "script" and "src" not in given] == []
            assert [tag for tag, given in tags if tag in {"style", "iframe", "object"} or "style" in given] == []
            assert [name for _, given in tags for name in given if name.startswith("on")] == []
            urls = [str(given[name]) for _, given in tags for name in ("href", "src", "action") if given.get(name)]
            full = {httpx.URL(f"{SITE}{MOUNT}/{path}").join(url) for url in urls if not url.startswith("#")}
            assert [url for url in full if url.host != "jobs.test" or not url.path.startswith(f"{MOUNT}/")] == []


def test_the_policy_allows_nothing_but_what_is_of_this_site() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert {part.split()[1] for part in policy.split("; ")} == {"'none'", "'self'"}


# Pages.


@pytest.mark.parametrize("mount", ["", "/admin/jobs"])
async def test_a_mount_in_an_application(mount: str) -> None:
    runner = runner_with_a_job()
    app = Starlette(routes=[Mount(mount, jobs_dashboard(runner, auth=lambda _: "admin"))])
    transport = httpx.ASGITransport(app=app)
    async with runner, httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        await enqueue(runner)
        assert "Overview" in (await client.get(mount or "/", follow_redirects=True)).text
        page = await client.get(f"{mount}/jobs")
        (sheet,) = [given["href"] for tag, given in tags_of(page.text) if given.get("rel") == "stylesheet"]
        assert (await client.get(httpx.URL(f"{SITE}{mount}/jobs").join(str(sheet)))).status_code == 200


async def test_without_the_slash_at_its_end_a_mount_leads_to_it() -> None:
    async with dashboard(runner_with_a_job()) as client:
        request = client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=MOUNT.encode())
        found = await client.send(request)
        assert (found.status_code, found.headers["Location"]) == (307, "./jobs/")


async def test_an_open_page_is_answered_204_until_something_changes() -> None:
    runner = runner_with_a_job()
    async with dashboard(runner) as client:
        mark = await Site(runner).mark()
        assert (await client.get("/jobs", headers={MARK_HEADER: mark})).status_code == 200  # of another process
        page = (await client.get("/jobs", headers={MARK_HEADER: "none"})).text
        (mark,) = [str(given["hx-headers"]) for _, given in tags_of(page) if "hx-headers" in given]
        headers = {MARK_HEADER: mark.split('"')[3]}
        assert page.startswith('<div id="live"')
        unchanged = await client.get("/jobs", headers=headers)
        assert (unchanged.status_code, unchanged.text) == (204, "")
        await enqueue(runner)
        changed = await client.get("/jobs", headers=headers)
        assert (changed.status_code, "jobs/1" in changed.text) == (200, True)


async def test_what_the_library_refuses_is_a_page_with_a_status() -> None:
    async with dashboard(runner_with_a_job()) as client:
        found = await client.get("/jobs/7")
        assert (found.status_code, "there is no job 7" in found.text) == (404, True)
        found = await press(client, "/jobs/7/delete")
        assert found.status_code == 404


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("BUSY", "locked"), 503), (InvalidOption("a", 1, "b"), 400)]
)
async def test_a_fault_of_the_database_is_a_page_too(error: Exception, status: int) -> None:
    async def fail(site: Site, asked: Asked) -> Response:
        raise error

    runner = runner_with_a_job()
    app = DashboardApp(Site(runner), lambda _: "admin", [View("GET", "", fail)])
    async with runner, visiting(app) as client:
        assert (await client.get("/")).status_code == status


async def test_a_closed_runner_is_a_page_that_says_so() -> None:
    runner = runner_with_a_job()
    app = jobs_dashboard(runner, auth=lambda _: "admin")
    async with runner:
        pass
    async with visiting(app) as client:
        found = await client.get("/jobs")
        assert (found.status_code, "Not now" in found.text) == (503, True)


async def test_other_connections_are_closed_and_the_lifespan_is_accepted() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    app = jobs_dashboard(runner_with_a_job(), auth=lambda _: "admin")
    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


async def test_a_client_that_leaves_in_its_form_is_answered_nothing() -> None:
    runner = runner_with_a_job()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    kind = (b"content-type", b"application/x-www-form-urlencoded")
    scope = {
        "type": "http", "method": "POST", "path": "/undo", "query_string": b"", "root_path": "",
        "headers": [(b"sec-fetch-site", b"same-origin"), kind],
    }  # fmt: skip
    async with runner:
        await jobs_dashboard(runner, auth=lambda _: "admin")(scope, receive, send)
    assert sent == []

"""examples/shop: each of its jobs, in memory."""

from __future__ import annotations

import ast
import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession

import aiojobs_lite
from aiojobs_lite import Job, PerAttempt
from aiojobs_lite.testing import JobKit
from examples.shop import database, exports, images, mail, settings, webhooks
from examples.shop.main import app, runner
from tests.helpers.smtp import MailServer

SHOP = Path(settings.__file__).parent


class Warehouse:
    """Stands for the other side of the webhook.

    Attributes:
        answers: What it says next, before it says 204.
        requests: Those that it got.
    """

    def __init__(self) -> None:
        self.answers: list[httpx.Response] = []
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else httpx.Response(204)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse()


@pytest.fixture(autouse=True)
def _in_memory(
    job_kit: JobKit, smtp: MailServer, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "FOLDER", tmp_path)
    job_kit.replace(runner, deps={mail.Smtp: mail.Smtp("127.0.0.1", smtp.port), httpx.AsyncClient: warehouse.client})


@pytest.fixture
def client(_in_memory: None) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def run(job_kit: JobKit) -> None:
    job_kit.wait_for(job_kit.run_to_end())


def job_of(job_kit: JobKit, job_type: str) -> Job:
    (found,) = job_kit.wait_for(runner.jobs.list(type=job_type))
    return job_kit.wait_for(runner.jobs.get(found.id))


def ppm(width: int, height: int, pixels: bytes) -> bytes:
    return b"P6\n%d %d\n255\n" % (width, height) + pixels


# Its code


def test_it_is_short_and_uses_public_names_only() -> None:
    texts = [path.read_text(encoding="utf-8") for path in SHOP.glob("*.py")]
    assert sum(len(text.splitlines()) for text in texts) <= 250
    imported = [node for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imported if (node.module or "").startswith("aiojobs_lite")]
    assert {node.module for node in ours} == {"aiojobs_lite"}
    assert {alias.name for node in ours for alias in node.names} <= set(aiojobs_lite.__all__)


# An order


def test_an_order_sends_a_receipt_and_calls_the_warehouse(
    client: TestClient, job_kit: JobKit, smtp: MailServer, warehouse: Warehouse
) -> None:
    response = client.post("/orders", params={"email": "a@example.org", "article": "pen"})
    assert (response.status_code, response.json()) == (202, 1)
    job_kit.assert_enqueued(mail.send, to="a@example.org", subject="Order 1")
    job_kit.assert_enqueued(webhooks.announce, order=1, article="pen")
    run(job_kit)
    (receipt,) = smtp.received
    assert (receipt["To"], receipt["Subject"]) == ("a@example.org", "Order 1")
    assert "We send you: pen" in str(receipt.get_payload())
    (request,) = warehouse.requests
    assert request.read() == b'{"order":1,"article":"pen"}'
    key = runner.jobs.key_of(job_of(job_kit, "webhooks.announce").id)
    assert request.headers["Idempotency-Key"] == key


def test_a_mail_that_is_put_off_is_sent_later_with_the_same_id(
    client: TestClient, job_kit: JobKit, smtp: MailServer
) -> None:
    smtp.answers.append("451 come again later")
    client.post("/orders", params={"email": "a@example.org", "article": "pen"})
    run(job_kit)
    job = job_of(job_kit, "mail.send")
    assert (job.status, job.attempts, [attempt.outcome for attempt in job.history]) == ("completed", 2, ["failed"])
    (receipt,) = smtp.received
    assert receipt["Message-ID"] == f"<{runner.jobs.key_of(job.id)}@example.org>"


def test_an_address_that_does_not_exist_is_given_up(client: TestClient, job_kit: JobKit, smtp: MailServer) -> None:
    smtp.answers.append("550 no such user")
    client.post("/orders", params={"email": "a@example.org", "article": "pen"})
    run(job_kit)
    job = job_of(job_kit, "mail.send")
    assert (job.status, job.attempts, smtp.received) == ("dead", 1, [])
    assert "550 no such user" in (job.error or "")


@pytest.mark.parametrize(("code", "wait"), [(429, "120"), (503, "120"), (503, "Thu, 01 Jan 2026 00:02:00 GMT")])
def test_the_warehouse_says_when_to_come_again(
    client: TestClient, job_kit: JobKit, warehouse: Warehouse, code: int, wait: str
) -> None:
    warehouse.answers.append(httpx.Response(code, headers={"Retry-After": wait}))
    client.post("/orders", params={"email": "a@example.org", "article": "pen"})
    job_kit.wait_for(job_kit.advance("119s"))
    assert len(warehouse.requests) == 1
    job_kit.wait_for(job_kit.advance("1s"))
    first, second = warehouse.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert job_of(job_kit, "webhooks.announce").status == "completed"


@pytest.mark.parametrize(("code", "status", "calls"), [(404, "dead", 1), (429, "completed", 2), (500, "completed", 2)])
def test_another_answer_of_the_warehouse(
    client: TestClient, job_kit: JobKit, warehouse: Warehouse, code: int, status: str, calls: int
) -> None:
    warehouse.answers.append(httpx.Response(code))
    client.post("/orders", params={"email": "a@example.org", "article": "pen"})
    run(job_kit)
    assert (job_of(job_kit, "webhooks.announce").status, len(warehouse.requests)) == (status, calls)


# Exports


async def test_an_export_is_written_mailed_and_deleted_after_a_week(
    job_kit: JobKit, smtp: MailServer, tmp_path: Path
) -> None:
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for article in ("pen", "ink, black"):
                await client.post("/orders", params={"email": "a@example.org", "article": article})
            job_id = (await client.post("/exports", params={"email": "b@example.org"})).json()
            await runner.run_until_idle()
            job = (await client.get(f"/jobs/{job_id}")).json()
            assert (await client.get("/jobs/99")).status_code == 404
        path = Path(job["result"])
        assert path.parent == tmp_path
        assert list(csv.reader(path.read_text(encoding="utf-8").splitlines())) == [
            ["order", "email", "article"], ["1", "a@example.org", "pen"], ["2", "a@example.org", "ink, black"],
        ]  # fmt: skip
        (notice,) = [message for message in smtp.received if message["To"] == "b@example.org"]
        assert f"2 orders are in {path.name}" in str(notice.get_payload()).replace("=\n", "")

        await job_kit.advance("7d")
        assert path.exists()
        await job_kit.advance("1d")
        assert not path.exists()
        assert {job.result for job in await runner.jobs.list(type="exports.clean_up")} <= {0, 1}


async def test_an_export_whose_commit_fails_is_made_again_and_sends_one_mail(
    job_kit: JobKit, smtp: MailServer, tmp_path: Path
) -> None:
    failures: list[str] = []

    async def fails_once() -> AsyncIterator[AsyncSession]:
        async with database.sessions.begin() as begun:
            yield begun
            if not failures:
                failures.append("the first commit")
                raise OSError("no space left")

    server = mail.Smtp("127.0.0.1", smtp.port)
    job_kit.replace(runner, deps={AsyncSession: PerAttempt(fails_once), mail.Smtp: server})
    async with runner:
        handle = await runner.enqueue(exports.make, email="b@example.org")
        await job_kit.run_to_end()
        assert (await handle.job()).attempts == 2
        assert await handle.result() == next(tmp_path.glob("orders-*.csv"))
    assert len(smtp.received) == len(list(tmp_path.glob("orders-*.csv"))) == 1


# Thumbnails


def test_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "picture.ppm"
    path.write_bytes(ppm(4, 2, bytes(range(24))))
    small = images.thumbnail(path, width=2)
    assert small.read_bytes() == b"P6 2 1 255\n" + bytes([7, 8, 9, 13, 14, 15])


def test_a_small_picture_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.ppm"
    path.write_bytes(ppm(2, 1, b"\n \n \n "))  # blanks are colours as well
    assert images.thumbnail(path).read_bytes() == b"P6 2 1 255\n\n \n \n "


@pytest.mark.parametrize("content", [b"", b"GIF89a", ppm(4, 2, bytes(23)), ppm(0, 2, b"")])
def test_what_is_no_picture_is_given_up(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.ppm"
    path.write_bytes(content)
    with pytest.raises(aiojobs_lite.Abandon, match="is no whole PPM picture"):
        images.thumbnail(path)


def test_an_upload_enqueues_a_thumbnail(job_kit: JobKit, tmp_path: Path) -> None:
    job_kit.replace(runner, run=False)
    with TestClient(app) as client:
        assert client.post("/images", files={"file": ppm(2, 1, bytes(6))}).status_code == 202
    (path,) = tmp_path.glob("*.ppm")
    job_kit.assert_enqueued(images.thumbnail, source=path)

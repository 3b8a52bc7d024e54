"""`JobClient`: from threads, scripts and forked processes."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    InvalidOption,
    InvalidPayload,
    JobClient,
    JobNotFound,
    JobRunner,
    Jobs,
    Status,
    StoreRefused,
    StoreUnavailable,
    UnknownJobType,
    job,
)
from aiojobs_lite.errors import ClientClosed, QueueFull, UniqueConflict, WrongEventLoop
from aiojobs_lite.flow import Unique
from aiojobs_lite.runner.client import FORKS
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.testing import FakeClock, JobKit
from tests.helpers.mail import other, welcome
from tests.helpers.pauses import poll
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE

DECLARED = """
import os, signal, sys, threading
from aiojobs_lite import JobClient, job

@job
async def note(text: str) -> None: ...

client = JobClient(sys.argv[1] if len(sys.argv) > 1 else None, jobs=[note])
"""


@pytest.fixture
def client(database: Path) -> Iterator[JobClient]:
    with JobClient(database, jobs=[welcome]) as client:
        yield client


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("aiojobs_lite client")]


def test_a_job_is_there_with_its_key_when_the_call_returns(client: JobClient, database: Path) -> None:
    assert not database.exists()
    handle = client.enqueue(welcome.using(priority="high", label="eu"), 1, email="a@example.org")
    job = client.get(handle.id)
    assert (job.type, job.payload, job.label, job.status) == (
        "email.welcome", {"user_id": 1, "email": "a@example.org"}, "eu", Status.PENDING,
    )  # fmt: skip
    assert handle.is_new
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM aiojobs_jobs").fetchone() == (1,)
    connection.close()


def test_the_first_call_reads_inside_a_transaction_of_the_callers_own(client: JobClient, database: Path) -> None:
    handle = client.enqueue(welcome, 1, email="a@example.org")
    with closing(sqlite3.connect(database, isolation_level=None)) as own, JobClient(database, jobs=[welcome]) as other:
        own.execute("BEGIN IMMEDIATE")
        assert other.get(handle.id).status is Status.PENDING
        assert other.schedules.list() == []
        own.execute("ROLLBACK")
        assert other.enqueue(welcome, 2, email="b@example.org").id == handle.id + 1


async def test_a_runner_of_the_same_file_runs_it(client: JobClient, working: JobRunner) -> None:
    async with working:
        handle = await asyncio.to_thread(client.enqueue, welcome, 1)
        assert handle.key == working.jobs.key_of(handle.id)
        finished = await working.jobs.wait(handle.id)
        assert finished.status is Status.COMPLETED
    assert (await asyncio.to_thread(client.get, handle.id)).result == "1 unknown@example.org"


def test_by_name_and_many_at_once(client: JobClient) -> None:
    named = client.enqueue_named("email.welcome", 3)
    many = client.enqueue_many(welcome.bind(number) for number in range(1000))
    assert [one.id for one in many] == list(range(named.id + 1, named.id + 1001))
    assert client.enqueue_many([]) == []


def test_a_key_makes_one_job(client: JobClient) -> None:
    once = welcome.using(idempotency_key="7")
    first, again = client.enqueue(once, 7), client.enqueue(once, 7)
    assert (first.id, first.key) == (again.id, again.key)
    assert (first.is_new, again.is_new) == (True, False)


def test_all_threads_share_it(client: JobClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(lambda number: client.enqueue(welcome, number), range(80)))
    assert len({one.id for one in handles}) == 80
    assert len(threads()) == 1


def test_errors_are_those_of_the_runner(client: JobClient) -> None:
    given: Any
    with pytest.raises(InvalidPayload, match="user_id"):
        client.enqueue(welcome, "x")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(UnknownJobType, match=r"known: email\.welcome.*\. Register it: JobClient\(jobs=\[\.\.\.\]\)\.$"):
        client.enqueue(other)
    with pytest.raises(UnknownJobType):
        client.enqueue_named("email.welcom", user_id=1)
    with pytest.raises(UnknownJobType):
        client.enqueue_many([welcome.bind(1), other.bind()])
    with pytest.raises(JobNotFound):
        client.get(99)
    with pytest.raises(InvalidOption, match="max_running"):
        JobClient("app.db", max_running=3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidOption, match=r"client\.enqueue\(\.\.\.\) takes the job type"):
        client.enqueue_named(welcome)  # type: ignore[arg-type]  # what is tested
    for given in (None, print, "email.welcome", welcome.bind(1)):
        with pytest.raises(InvalidOption):
            client.enqueue(given)


def test_a_folder_that_is_missing_is_refused_at_each_call_until_it_is_there(tmp_path: Path) -> None:
    with JobClient(tmp_path / "data" / "app.db", jobs=[welcome]) as client:
        for _ in range(2):
            with pytest.raises(StoreRefused, match="missing directory"):
                client.enqueue(welcome, 1)
        assert threads() == []
        (tmp_path / "data").mkdir()
        assert client.enqueue(welcome, 1).is_new


def test_a_full_disk_is_unavailable_with_its_remedy_and_the_next_call_works(
    client: JobClient, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.enqueue(welcome, 1)

    async def full(*_: object) -> None:
        raise StoreUnavailable("SQLITE_FULL", "database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "apply", full)
        with pytest.raises(StoreUnavailable, match="Free space on its disk"):
            client.enqueue(welcome, 1)
    assert client.enqueue(welcome, 1).is_new


@pytest.mark.parametrize(
    "place", [(threading.Thread, "start", RuntimeError), (asyncio.events, "new_event_loop", OSError)]
)
def test_without_a_thread_or_descriptors_it_is_unavailable_for_now(
    place: tuple[Any, str, type[Exception]], client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, kind = place

    def fails(*_: object) -> None:
        raise kind("none is left")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fails)
        with pytest.raises(StoreUnavailable, match="NO_THREAD: none is left"):
            client.enqueue(welcome, 1)
    assert client.enqueue(welcome, 1).is_new


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_kept_a_database_from_opening_is_raised_even_if_it_cannot_be_closed_then(
    client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = SqliteStore.close

    async def fails(*_: object) -> None:
        raise StoreUnavailable("SQLITE_IOERR", "disk I/O error")

    async def closes_badly(store: SqliteStore) -> None:
        await close(store)
        raise OSError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "ask", fails)
        patch.setattr(SqliteStore, "close", closes_badly)
        with pytest.raises(StoreUnavailable, match="SQLITE_IOERR"):
            client.enqueue(welcome, 1)
    assert client.enqueue(welcome, 1).is_new


def test_a_closed_client_says_so_and_may_be_entered_again(database: Path) -> None:
    with JobClient(database, jobs=[welcome]) as client:
        client.enqueue(welcome, 1)
        assert "open, 1 job type>" in repr(client)
    assert threads() == []
    assert "closed" in repr(client)
    calls: list[Callable[[], object]] = [
        lambda: client.enqueue(welcome, 1), lambda: client.enqueue_many([]), lambda: client.get(1),
        lambda: client.enqueue_named("email.welcome", user_id=1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ClientClosed, match="with client:"):
            call()
    client.close()
    with client:
        assert client.enqueue(welcome, 1).id == 2


def test_a_close_waits_for_the_calls_in_flight(client: JobClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.enqueue(welcome, 1)
    apply, begun, may_go_on = SqliteStore.apply, threading.Event(), threading.Event()

    async def slow_apply(*given: Any) -> Any:
        begun.set()
        await asyncio.to_thread(may_go_on.wait, PATIENCE)
        return await apply(*given)

    monkeypatch.setattr(SqliteStore, "apply", slow_apply)
    with ThreadPoolExecutor(2) as pool:
        enqueued = pool.submit(client.enqueue, welcome, 1)
        assert begun.wait(PATIENCE)
        closed = pool.submit(client.close)
        may_go_on.set()
        assert enqueued.result(PATIENCE).is_new
        closed.result(PATIENCE)


def test_a_dropped_client_closes_its_database(database: Path) -> None:
    client = JobClient(database, jobs=[welcome])
    client.enqueue(welcome, 1)
    assert len(threads()) == 1
    del client
    gc.collect()
    assert threads() == []


def test_a_signal_handler_may_enqueue_in_the_middle_of_a_call(
    client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.enqueue(welcome, 1)
    schedule, entered = asyncio.run_coroutine_threadsafe, list[int]()

    def interrupted(*given: Any) -> Any:
        if not entered:
            entered.append(1)
            entered.append(client.enqueue(welcome, 2).id)
        return schedule(*given)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    thread = threading.Thread(target=lambda: entered.append(client.enqueue(welcome, 3).id), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert entered == [1, 2, 3]


def registered() -> int:
    """How many clients are registered for forks."""
    gc.collect()
    return len(FORKS._clients)  # noqa: SLF001  # it shows nowhere else


def test_a_client_leaves_nothing_behind_at_the_forks_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may make one for each request: what is registered for forks stays for ever."""

    def refuse(**given: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr(os, "register_at_fork", refuse)
    before = registered()
    for _ in range(3):
        JobClient(":memory:")
    assert registered() == before


def test_the_callers_code_may_use_another_thread_while_it_gives_the_jobs(client: JobClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        jobs = (welcome.bind(pool.submit(client.enqueue, welcome, n).result(PATIENCE).id) for n in range(2))
        assert len(client.enqueue_many(jobs)) == 2


async def test_inside_an_event_loop_it_refuses_to_block_it(client: JobClient) -> None:
    for call in (lambda: client.enqueue(welcome, 1), lambda: client.get(1)):
        with pytest.raises(WrongEventLoop, match=r"asyncio\.to_thread"):
            call()


def test_what_joins_a_group_before_the_first_call_can_be_enqueued(database: Path) -> None:
    group = Jobs()
    with JobClient(database, jobs=group) as client:

        @group.job
        async def late() -> None: ...

        assert client.enqueue(late).is_new


def test_the_testing_kit_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    client = JobClient(path, jobs=[welcome])
    with JobKit() as job_kit:
        job_kit.replace(client)
        handle = client.enqueue(welcome, 1)
        job_kit.assert_enqueued(welcome, user_id=1)
        assert client.get(handle.id).created_at == job_kit.clock.time
    assert not path.exists()
    assert threads() == []


def test_a_clock_gives_the_instant(database: Path) -> None:
    clock = FakeClock()
    with JobClient(database, jobs=[welcome], clock=clock) as client:
        assert client.get(client.enqueue(welcome, 1).id).created_at == clock.time


# Processes.


def started(source: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "dev", "-W", "always", "-c", DECLARED + source, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def texts(database: Path) -> list[str]:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute("SELECT payload ->> 'text' FROM aiojobs_jobs ORDER BY id").fetchall()
    finally:
        connection.close()
    return [text for (text,) in found]


@slow
@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "client.close()", "client = None"])
def test_a_script_ends_at_once_and_says_nothing(ending: str, database: Path) -> None:
    process = started(f"client.enqueue(note, 'a')\n{ending}", database)
    assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 0
    assert texts(database) == ["a"]


@slow
def test_a_job_survives_a_kill_right_after_the_call(database: Path) -> None:
    process = started("client.enqueue(note, 'a')\nos.kill(os.getpid(), signal.SIGKILL)", database)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert texts(database) == ["a"]


@slow
@pytest.mark.parametrize("first", ["", "client.enqueue(note, 'parent')"])
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_process_opens_the_database_anew(first: str, end: str, database: Path) -> None:
    source = f"""
{first}
here = client._process()
for number in range(3):
    if not (pid := os.fork()):
        assert client._process() is not here
        client.enqueue(note, f"child {{number}}")
        if not (pid := os.fork()):
            client.enqueue(note, f"grandchild {{number}}")
            {end}
        assert os.waitpid(pid, 0)[1] == 0
        client.enqueue(note, f"child {{number}}")
        {end}
    assert os.waitpid(pid, 0)[1] == 0
client.enqueue(note, "parent")
"""
    process = started(source, database)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (said, process.returncode) == ("", 0)
    children = [text for n in range(3) for text in (f"child {n}", f"grandchild {n}", f"child {n}")]
    assert texts(database) == [*(["parent"] if first else []), *children, "parent"]


@slow
def test_a_forked_process_goes_on_when_the_first_one_has_closed_the_database(database: Path) -> None:
    source = """
client.enqueue(note, "parent")
out, into = os.pipe()
if not (pid := os.fork()):
    client.enqueue(note, "before")
    os.read(out, 1)
    client.enqueue(note, "after")
    os._exit(0)
client.enqueue(note, "parent")
client.close()
os.write(into, b"x")
assert os.waitpid(pid, 0)[1] == 0
"""
    process = started(source, database)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (said, process.returncode) == ("", 0)
    assert sorted(texts(database)) == ["after", "before", "parent", "parent"]


@slow
def test_a_fork_while_another_thread_enqueues_leaves_both_usable(database: Path) -> None:
    source = """
def enqueue():
    for number in range(200):
        client.enqueue(note, f"thread {number}")

thread = threading.Thread(target=enqueue)
thread.start()
for number in range(20):
    if not (pid := os.fork()):
        client.enqueue(note, f"child {number}")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
thread.join()
"""
    process = started(source, database)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (said, process.returncode) == ("", 0)
    assert sorted(texts(database)) == sorted(
        [f"thread {number}" for number in range(200)] + [f"child {number}" for number in range(20)]
    )


@slow
def test_threads_that_fork_at_once_leave_all_clients_usable(database: Path) -> None:
    source = """
clients = [client, *(JobClient(sys.argv[1], jobs=[note]) for _ in range(2))]

def fork(at):
    for number in range(20):
        clients[at].enqueue(note, f"parent {at} {number}")
        if not (pid := os.fork()):
            clients[at].enqueue(note, f"child {at} {number}")
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0

threads = [threading.Thread(target=fork, args=(at,)) for at in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    process = started(source, database)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (said, process.returncode) == ("", 0)
    expected = [f"{kind} {at} {n}" for kind in ("parent", "child") for at in range(3) for n in range(20)]
    assert sorted(texts(database)) == sorted(expected)


@slow
async def test_four_processes_enqueue_beside_a_runner(database: Path) -> None:
    async def note(text: str) -> None: ...

    runner = JobRunner(database)
    runner.job(note)
    source = "for number in range(100): client.enqueue(note, f'{os.getpid()} {number}')"
    async with runner:
        processes = [started(source, database) for _ in range(4)]
        for process in processes:
            said, _ = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
            assert (said, process.returncode) == ("", 0)
        await runner.run_until_idle()
        assert runner.stats().completed == 400
    assert len(set(texts(database))) == 400


@slow
@pytest.mark.parametrize("first", ["", "client.enqueue(note, 'preloaded')\n"])
def test_wsgi_under_gunicorn_with_preload(first: str, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    (tmp_path / "wsgi_app.py").write_text(
        f"""{DECLARED.replace("sys.argv[1] if len(sys.argv) > 1 else None", '"app.db"')}
{first}
def app(environ, start_response):
    handle = client.enqueue(note, environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
""",
        encoding="utf-8",
    )
    path = tmp_path / "log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "always", "-m", "gunicorn", "--preload", "--workers", "2", "--threads", "2",
             "--bind", "127.0.0.1:0", "wsgi_app:app"],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        address = listening(path)
        with ThreadPoolExecutor(4) as pool:
            pids = set(pool.map(lambda n: read(f"{address}/?{n}"), range(40)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    assert str(process.pid) not in pids
    assert "Warning" not in path.read_text()
    assert "Traceback" not in path.read_text()
    expected = [str(n) for n in range(40)] + (["preloaded"] if first else [])
    assert sorted(texts(tmp_path / "app.db")) == sorted(expected)


def listening(log: Path) -> str:
    def addresses() -> list[str]:
        return re.findall(r"Listening at: (\S+)", log.read_text())

    assert poll(addresses, PATIENCE), log.read_text()
    return addresses()[0]


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
        return text


def test_a_client_keeps_to_the_conditions_of_a_type(database: Path) -> None:
    @job(unique=Unique("user_id", on_conflict="raise"), max_pending=2, on_full="wait")
    async def sync(user_id: int) -> None: ...

    with JobClient(database, jobs=[sync]) as client:
        first = client.enqueue(sync, 1)
        with pytest.raises(UniqueConflict) as caught:
            client.enqueue_many([sync.bind(2), sync.bind(1)])
        assert caught.value.job_id == first.id
        assert not client.enqueue(sync.using(unique=Unique("user_id")), 1).is_new
        client.enqueue(sync, 2)
        with pytest.raises(QueueFull):
            client.enqueue(sync, 3)

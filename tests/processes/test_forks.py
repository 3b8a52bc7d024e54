"""Processes that are forked from one with a runner, and open its database."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.servers import outcome_in
from tests.helpers.serving import APP, Server, running
from tests.helpers.starting import HOWS

pytestmark = slow
MODES = ("async", "thread", "process")
PRELOADED = Server(
    "gunicorn --preload",
    f"gunicorn {APP} --preload --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:PORT --no-control-socket",
)


async def test_no_acknowledged_job_of_a_forked_process_is_lost_when_the_first_one_closes(database: Path) -> None:
    """The first process deletes the log as it closes, for the forked one has no lock on the file."""
    async with program("-m", "tests.helpers.apps.forked", database, "closing") as child:
        assert await child.ended() == 0
    assert child.said("lost") == [["lost", "0"]]
    assert child.said("forked") == [["forked", "open", "over", "a", "fork"]]


async def test_a_handler_may_start_a_process_with_a_runner_unless_that_is_forked_from_the_application(
    database: Path,
) -> None:
    async with program("-m", "tests.helpers.apps.forked", database, "handlers") as child:
        for how in HOWS[1:]:
            for mode in MODES:
                is_copy = how == "fork" and mode != "process"
                assert await child.line(mode) == [mode, how, "open-over-a-fork" if is_copy else "enqueued"]
        assert await child.line("completed") == ["completed", "7"]
        assert await child.ended() == 0


async def test_a_server_that_loads_the_application_before_it_forks_is_like_any_other(tmp_path: Path) -> None:
    async with running(PRELOADED, tmp_path) as served:
        await served.enqueue("quick")
        served.stop("process")
        assert await served.gone() == 0
    assert await outcome_in(served.database) == "completed"

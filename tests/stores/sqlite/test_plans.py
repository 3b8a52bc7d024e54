"""How SQLite carries out what must stay quick with a million rows: by which index, never by looking at every row."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.sqlite.after import AFTER_ROW, RELEASED_ROW
from aiojobs_lite.stores.sqlite.batches import JOB_ROW, MOVED_ROW, RANGE_ROW
from aiojobs_lite.stores.sqlite.counts import COUNTS_ROW
from aiojobs_lite.stores.sqlite.ends import RESULT_ROW
from aiojobs_lite.stores.sqlite.events import LISTENER_ROW
from aiojobs_lite.stores.sqlite.expiries import EXPIRY_ROW
from aiojobs_lite.stores.sqlite.figures import DURATION_ROW, ENDED_ROW
from aiojobs_lite.stores.sqlite.lists import asked_of, source_of, statement
from aiojobs_lite.stores.sqlite.meters import METER_ROW
from aiojobs_lite.stores.sqlite.rows import LANED_ROW, NEW_ROW, load_sql
from aiojobs_lite.stores.sqlite.steps import END_ROW, FENCE_ROW, KEY_ROW, RAN_ROW, STEP_ROW
from aiojobs_lite.stores.sqlite.transaction import ID_ROW
from aiojobs_lite.stores.sqlite.unique import UNIQUE_ROW
from aiojobs_lite.stores.sqlite.waits import WAIT_ROW
from aiojobs_lite.stores.sqlite.windows import WINDOW_ROW
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import NOW, answers, close, complete, connected, inserted, new, running

SQL = load_sql()
_WHOLE_TABLE = re.compile(r"\bSCAN aiojobs_jobs\b(?! USING)")
BY_ID = "aiojobs_jobs USING INTEGER PRIMARY KEY (rowid=?)"
ROWS = {  # what stands for one row, where it is not a new job
    "claim_jobs": ID_ROW, "claimed_jobs": ID_ROW, "complete": ID_ROW, "complete_with_results": RESULT_ROW,
    "delete_jobs": ID_ROW, "set_counts": COUNTS_ROW, "release": ID_ROW, "held_by_type": ID_ROW,
    "pending_of_ids": ID_ROW, "ended_of_ids": ID_ROW, "redrive_dead": ID_ROW,
    "insert_unique": UNIQUE_ROW, "set_windows": WINDOW_ROW, "set_expiries": EXPIRY_ROW, "unique_of_dead": ID_ROW,
    "expired_of_ids": ID_ROW, "cancel_expired": ID_ROW, "set_over": ID_ROW, "forget_expiries": ID_ROW,
    "forget_expiries_of_dead": ID_ROW,
    "statuses": ID_ROW, "waiting_for": ID_ROW, "forget_ended": ID_ROW, "forget_waiting": ID_ROW,
    "still_waiting": ID_ROW, "insert_after": AFTER_ROW, "held_after": ID_ROW, "release_after": RELEASED_ROW,
    "batches_of_jobs": JOB_ROW, "finished_batches": ID_ROW, "move_batches": MOVED_ROW, "insert_ranges": RANGE_ROW,
    "batches_of_ids": ID_ROW, "dead_of_ids": ID_ROW,
    "set_priority": ID_ROW, "delete_logs": ID_ROW, "delete_progress": ID_ROW, "ends_of_logs": ID_ROW,
    "lanes_of_ids": ID_ROW, "insert_laned": LANED_ROW, "step_aside": ID_ROW,
    "insert_waits": WAIT_ROW, "forget_waits": ID_ROW, "forget_cancels": ID_ROW, "delete_waits": ID_ROW,
    "steps_of_attempts": FENCE_ROW, "last_places": ID_ROW, "insert_steps": STEP_ROW, "rows_of_steps": KEY_ROW,
    "insert_ran": RAN_ROW, "steps_of_rows": ID_ROW,
    "end_steps": END_ROW, "pending_jobs": ID_ROW, "restart": ID_ROW, "wake": ID_ROW, "of_status": ID_ROW,
    "forget_unfinished": ID_ROW, "with_steps": ID_ROW, "count_suspension": ID_ROW,
    "delete_steps": ID_ROW, "step_counts": ID_ROW, "forget_awaited": ID_ROW, "awaited_children": ID_ROW,
    "note_ended_children": ID_ROW, "ends_of_jobs": ID_ROW, "delete_parents": ID_ROW, "delete_children": ID_ROW,
    "listeners_of": ID_ROW, "ended_jobs": ID_ROW, "forget_listeners": ID_ROW, "insert_listeners": LISTENER_ROW,
    "meters": ID_ROW, "delete_meters": ID_ROW, "set_meters": METER_ROW,
    "add_ends": ENDED_ROW, "add_durations": DURATION_ROW,
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a few thousand jobs, most of them to come, and every status. No test changes it."""
    path = tmp_path_factory.mktemp("plans") / "jobs.db"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    async with opened(path) as store:
        await _insert(store)


async def _insert(store: Store) -> None:
    done = await running(store, *(new("ab"[n % 2]) for n in range(900)))
    await answers(store, *map(complete, done[:600]), now=1)
    await answers(store, *map(close, done[600:890]), now=1)
    await answers(store, *(close(job, Status.CANCELLED) for job in done[890:895]), now=1)
    for due in (-5, 5, 3600):
        await inserted(store, *(new("abc"[n % 3], priority=n % 3, due=due + n / 100) for n in range(700)))


@pytest.fixture(params=["fresh", "analyzed"])
def connection(request: pytest.FixtureRequest, filled: Path) -> Iterator[sqlite3.Connection]:
    """A connection, whose database knows how its rows are spread, or does not."""
    with connected(filled) as made:
        if request.param == "analyzed":
            made.execute("BEGIN")
            made.execute("ANALYZE")
        yield made


def plan(connection: sqlite3.Connection, sql: str, parameters: object = ()) -> str:
    """The plan of a statement, a line a step."""
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()  # type: ignore[arg-type]
    return "\n".join(row[3] for row in rows)


def plan_of(connection: sqlite3.Connection, query: str) -> str:
    """The plan of a named query, over so many rows."""
    row = ROWS.get(query, NEW_ROW)
    by = "first_id DESC, id DESC" if query == "jobs_of_batch" else "id DESC"
    sql = SQL[query].replace("{selected}", "id").replace("{ordered}", f"ORDER BY {by}")
    sql = sql.replace("{rows}", ", ".join([row] * 16)).replace("{ids}", "1, 2")
    names = re.findall(r":(\w+)", sql)
    return plan(
        connection, sql, dict.fromkeys(names, 1) if names else (1,) * len(re.findall(r"\?(?!1)|\?1(?=, \?1)", sql))
    )


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("due_jobs", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at"),
        ("moments_enqueued", "INDEX aiojobs_jobs_created (type=? AND created_at"),
        ("moments_completed", "INDEX aiojobs_jobs_ended (type=? AND completed_at"),
        ("moments_not_completed", "INDEX aiojobs_jobs_finished (status=? AND completed_at"),
        ("moments_started_of_completed", "INDEX aiojobs_jobs_started (type=? AND started_at"),
        ("moments_started_of_processing", "INDEX aiojobs_jobs_processing (type=?"),
        ("moments_started_of_failed", "INDEX aiojobs_attempts_started (type=? AND started_at"),
        ("moments_failed", "INDEX aiojobs_attempts_ended (type=? AND ended_at"),
        ("attempts_of_jobs", "INDEX aiojobs_attempts_job (job_id=?)"),
        ("claim_jobs", BY_ID),
        ("claimed_jobs", BY_ID),
        ("complete", BY_ID),
        ("complete_with_results", BY_ID),
        ("owned_attempt", BY_ID),
        ("end_again", BY_ID),
        ("end_for_good", BY_ID),
        ("insert_attempt", BY_ID),
        ("next_due", "INDEX aiojobs_jobs_pending (type=? AND priority=?)"),
        ("first_due", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at<?)"),
        ("became_due", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at>? AND scheduled_at<?)"),
        ("processing_of_type", "INDEX aiojobs_jobs_processing (type=?)"),
        ("owners", "INDEX aiojobs_jobs_processing"),
        ("processing_of_owner", "INDEX aiojobs_jobs_processing"),
        ("prunable", "INDEX aiojobs_jobs_finished (status=? AND completed_at<?)"),
        ("latest_death", "INDEX aiojobs_jobs_finished (status=? AND completed_at>?)"),
        ("dead_after", "INDEX aiojobs_jobs_finished (status=? AND completed_at>? AND completed_at<?)"),
        ("dead_of_ids", BY_ID),
        ("redrive_dead", BY_ID),
        ("pending_after", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at>?)"),
        ("pending_after", "INDEX aiojobs_attempts_job (job_id=?)"),
        ("ended_after", "INDEX aiojobs_jobs_finished (status=? AND completed_at>?)"),
        ("pending_of_ids", BY_ID),
        ("ended_of_ids", BY_ID),
        ("move_pending_back", BY_ID),
        ("move_steps_back", "INDEX aiojobs_steps_name (job_id=?)"),
        ("move_ended_back", BY_ID),
        ("release", BY_ID),
        ("held_by_type", BY_ID),
        ("laned_jobs", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at"),
        ("waiting_lanes", "SEARCH aiojobs_jobs USING INDEX aiojobs_jobs_lane (lane>?)"),
        ("lanes_of_type", "COVERING INDEX aiojobs_lanes_line (line=?)"),
        ("heads_of_lane", "INDEX aiojobs_jobs_lane (lane=? AND place>?)"),
        ("running_lanes", "INDEX aiojobs_jobs_processing"),
        ("lanes_of_ids", BY_ID),
        ("step_aside", BY_ID),
        ("set_place", BY_ID),
        ("ordered_became_due", "INDEX aiojobs_jobs_ordered (type=? AND scheduled_at>? AND scheduled_at<?)"),
        ("lanes_in_line", "COVERING INDEX aiojobs_lanes_line (line=? AND priority=?"),
        ("first_lane", "COVERING INDEX aiojobs_lanes_line (line=? AND priority=?)"),
        ("wake_lanes", "COVERING INDEX aiojobs_lanes_line (line=? AND priority=?)"),
        ("open_lines", "COVERING INDEX aiojobs_lanes_line (line>? AND line<?)"),
        ("free_meters", "INDEX aiojobs_meters_free (free_at>? AND free_at<?)"),
        ("first_due_in_lane", "INDEX aiojobs_lanes_line (line=? AND priority=? AND ready_at<?)"),
        ("first_due_in_lane", "INDEX aiojobs_jobs_lane (lane=? AND place>?)"),
        ("before_in_lane", "INDEX aiojobs_jobs_lane (lane=? AND place>?)"),
        ("pending_of_limit", "INDEX aiojobs_jobs_lane (lane=? AND place>?)"),
        ("pending_of_limit", "INDEX aiojobs_jobs_pending (type=?)"),
        ("ordered_after", "INDEX aiojobs_jobs_ordered (type=? AND scheduled_at>?)"),
        ("waiting_after", "INDEX aiojobs_jobs_lane (lane=? AND place>?)"),
        ("limit_row", "aiojobs_limits USING PRIMARY KEY (key=? AND name=?)"),
        ("next_free", "INDEX aiojobs_meters_free"),
        ("job_of_key", "INDEX aiojobs_jobs_idempotency_key (type=? AND idempotency_key=?)"),
        ("standing", BY_ID),
        ("delete_jobs", BY_ID),
        ("redrive", BY_ID),
        ("cancel_pending", BY_ID),
        ("request_cancel", BY_ID),
        ("mark_interrupted", BY_ID),
        ("attempts_of_job", "INDEX aiojobs_attempts_job (job_id=?)"),
        ("schedule_busy", BY_ID),
        ("waiting_for", "aiojobs_after USING PRIMARY KEY (waits_for=?)"),
        ("forget_ended", "aiojobs_after USING PRIMARY KEY (waits_for=?)"),
        ("forget_waiting", "INDEX aiojobs_after_job (job_id=?)"),
        ("still_waiting", "INDEX aiojobs_after_job (job_id=?)"),
        ("after_of_job", "INDEX aiojobs_after_job (job_id=?)"),
        ("statuses", BY_ID),
        ("held_after", BY_ID),
        ("release_after", BY_ID),
        ("hold_after", BY_ID),
        ("batches_of_jobs", "ranges USING INTEGER PRIMARY KEY (rowid=?)"),
        ("ranges_between", "aiojobs_batch_ranges USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("batch_of_job", "aiojobs_batch_ranges USING INTEGER PRIMARY KEY (rowid=?)"),
        ("move_batches", "aiojobs_batches USING INTEGER PRIMARY KEY (rowid=?)"),
        ("jobs_of_batch_after", "INDEX aiojobs_batch_ranges_batch (batch=? AND rowid>?)"),
        ("jobs_of_batch_after", "jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("batch_owners", "INDEX aiojobs_batches_unfinished (owner>?)"),
        ("open_of_owner", "INDEX aiojobs_batches_unfinished (owner=?)"),
        ("prunable_batches", "INDEX aiojobs_batches_complete (completed_at>? AND completed_at<?)"),
        ("first_payloads", "INDEX aiojobs_jobs_pending (type=?)"),
        ("last_payloads", "INDEX aiojobs_jobs_pending (type=?)"),
        ("types_pending", "INDEX aiojobs_jobs_pending (type>?)"),
        ("waiting_long", "INDEX aiojobs_jobs_pending (type=? AND priority=? AND scheduled_at<?)"),
        ("set_priority", BY_ID),
        ("prune_ticks", "COVERING INDEX aiojobs_ticks_tick (tick<?)"),
        ("prune_ticks", "COVERING INDEX aiojobs_ticks_tick (tick=? AND schedule=?)"),
        ("stored_schedule", "PRIMARY KEY (name=?)"),
        ("due_schedules", "INDEX aiojobs_schedules_due (job_type=? AND next_tick<?)"),
        ("next_tick_of_types", "INDEX aiojobs_schedules_due (job_type=? AND next_tick>?)"),
        ("paused_schedules", "PRIMARY KEY (name=?)"),
        ("schedules_of_page", "PRIMARY KEY (name>? AND name<?)"),
        ("moved_ahead", "INDEX aiojobs_schedules_moved ((moved_at,name)>(?,?))"),
        ("latest_ticks", "PRIMARY KEY (schedule=?)"),
        ("latest_ticks", BY_ID),
        ("job_with_key", "INDEX aiojobs_jobs_idempotency_key (type=? AND idempotency_key=?)"),
        ("job_with_unique_key", "INDEX aiojobs_jobs_unique_key (type=? AND unique_key=?)"),
        ("unique_of_dead", BY_ID),
        ("holder", BY_ID),
        ("replace_payload", BY_ID),
        ("window_of_key", "aiojobs_windows USING PRIMARY KEY (type=? AND key=?)"),
        ("windows_over", "INDEX aiojobs_windows_until (until<?)"),
        ("forget_window", "aiojobs_windows USING PRIMARY KEY (type=? AND key=?)"),
        ("expired", "INDEX aiojobs_expiries_expires_at (expires_at<?)"),
        ("expired", "job USING INTEGER PRIMARY KEY (rowid=?)"),
        ("expired_of_ids", "SEARCH expiry USING INTEGER PRIMARY KEY (rowid=?)"),
        ("first_expiry", "aiojobs_expiries USING INDEX aiojobs_expiries_expires_at"),
        ("highest_id_and_what_is_used", "aiojobs_expiries USING INDEX aiojobs_expiries_expires_at"),
        ("cancel_expired", BY_ID),
        ("set_over", "SEARCH aiojobs_expiries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("steps_of_attempts", "job USING INTEGER PRIMARY KEY (rowid=?)"),
        ("steps_of_attempts", "INDEX aiojobs_steps_name (job_id=? AND name=?)"),
        ("steps_of_rows", "aiojobs_steps USING INTEGER PRIMARY KEY (rowid=?)"),
        ("last_places", "INDEX aiojobs_steps_name (job_id=?)"),
        ("rows_of_steps", "INDEX aiojobs_steps_name (job_id=? AND name=?)"),
        ("change_step", "aiojobs_steps USING INTEGER PRIMARY KEY (rowid=?)"),
        ("end_steps", "aiojobs_steps USING INTEGER PRIMARY KEY (rowid=?)"),
        ("suspend", "INDEX aiojobs_steps_name (job_id=?"),
        ("has_ended_step", "INDEX aiojobs_steps_name (job_id=? AND name=?)"),
        ("pending_jobs", BY_ID),
        ("restart", BY_ID),
        ("wake", BY_ID),
        ("of_status", BY_ID),
        ("forget_unfinished", "INDEX aiojobs_steps_name (job_id=?)"),
        ("with_steps", "INDEX aiojobs_steps_name (job_id=?)"),
        ("count_suspension", BY_ID),
        ("steps_of_job", "INDEX aiojobs_steps_name (job_id=?)"),
        ("step_counts", "INDEX aiojobs_steps_name (job_id=?)"),
        ("delete_steps", "INDEX aiojobs_steps_name (job_id=?)"),
        ("forget_waits", "INDEX aiojobs_waits_job (job_id=?)"),
        ("forget_cancels", "INDEX aiojobs_waits_job (job_id=?)"),
        ("delete_waits", "aiojobs_waits USING INTEGER PRIMARY KEY (rowid=?)"),
        ("wait_of_step", "INDEX aiojobs_waits_job (job_id=?)"),
        ("awaited_fields", "INDEX aiojobs_waits_event (event=?)"),
        ("awaited_fields", "INDEX aiojobs_waits_event (event=? AND fields>?)"),
        ("waiting_for_event", "INDEX aiojobs_waits_event (event=? AND fields=? AND vals=? AND rowid<?)"),
        ("waiting_for_event", "job USING INTEGER PRIMARY KEY (rowid=?)"),
        ("cancelled_by_event", "INDEX aiojobs_waits_event (event=? AND fields=? AND vals=?)"),
        ("cancelled_by_event", "job USING INTEGER PRIMARY KEY (rowid=?)"),
        ("waiting_for_event", "steps USING INTEGER PRIMARY KEY (rowid=?)"),
        ("events_since", "INDEX aiojobs_events_behind (name=? AND behind>?)"),
        ("events_since_instant", "INDEX aiojobs_events_behind (name=? AND behind=?)"),
        ("sent_event", "INDEX aiojobs_events_name (name=? AND sent_at=?)"),
        ("event_of_key", "INDEX aiojobs_events_key (key=? AND sent_at>? AND sent_at<?)"),
        ("unreached_of_name", "INDEX aiojobs_events_unreached (name=?)"),
        ("any_unreached", "INDEX aiojobs_events_unreached"),
        ("unreached_events", "INDEX aiojobs_events_unreached"),
        ("last_wait", "INDEX aiojobs_events_unreached"),
        ("prune_events", "INDEX aiojobs_events_sent_at (sent_at<?)"),
        ("events_unreached", "INDEX aiojobs_events_unreached"),
        ("events_of_page", "INDEX aiojobs_events_sent_at (sent_at<?)"),
        ("events_of_name", "INDEX aiojobs_events_name (name=? AND sent_at<?)"),
        ("events_of_ids", "aiojobs_events USING INTEGER PRIMARY KEY (rowid=?)"),
        ("listeners_of", "aiojobs_listeners USING PRIMARY KEY (pattern=?)"),
        ("held_for", BY_ID),
        ("ended_jobs", BY_ID),
        ("job_events_awaited", "aiojobs_listeners USING PRIMARY KEY (pattern=?)"),
        ("job_events_awaited", "aiojobs_waits USING COVERING INDEX aiojobs_waits_event (event=?)"),
        ("hold_for", BY_ID),
        ("insert_child", BY_ID),
        ("child_of_step", "INDEX aiojobs_children_parent (parent_id=?)"),
        ("forget_child", "INDEX aiojobs_children_"),
        ("forget_awaited", "INDEX aiojobs_children_"),
        ("awaited_children", "children USING PRIMARY KEY (child_id=?)"),
        ("awaited_children", "INDEX aiojobs_steps_name (job_id=? AND name=?)"),
        ("note_ended_children", "aiojobs_children USING PRIMARY KEY (child_id=?)"),
        ("ends_of_jobs", BY_ID),
        ("delete_parents", "aiojobs_children USING PRIMARY KEY (child_id=?)"),
        ("delete_children", "INDEX aiojobs_children_parent (parent_id=?)"),
        ("children_of_job", "INDEX aiojobs_children_parent (parent_id=?)"),
        ("parent_of_job", "aiojobs_children USING PRIMARY KEY (child_id=?)"),
        ("waits_and_awaited", "INDEX aiojobs_children_awaited"),
        ("forget_expiries", "SEARCH aiojobs_expiries USING INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_a_named_query_searches_by_its_index(connection: sqlite3.Connection, query: str, index: str) -> None:
    steps = plan_of(connection, query)
    assert index in steps
    assert not _WHOLE_TABLE.search(steps)


@pytest.mark.parametrize(
    "query",
    [
        "due_jobs",
        "next_due",
        "first_due",
        "prunable",
        "pending_after",
        "ended_after",
        "dead_after",
        "waiting_long",
        "first_payloads",
        "last_payloads",
        "jobs_of_batch",
        "ranges_between",
        "jobs_of_batch_after",
        "prunable_batches",
        "waiting_for_event",
        "events_since",
        "event_of_key",
        "events_of_page",
        "events_of_name",
        "prune_events",
        "prune_ticks",
        "schedules_of_page",
        "moved_ahead",
        "latest_ticks",
        "moments_enqueued",
        "moments_completed",
        "moments_not_completed",
        "moments_started_of_completed",
        "moments_started_of_failed",
        "moments_failed",
    ],
)
def test_the_order_of_the_index_is_the_order_wanted(connection: sqlite3.Connection, query: str) -> None:
    assert "TEMP B-TREE" not in plan_of(connection, query)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (FindJobs(owner="one", status=Status.PROCESSING), "aiojobs_jobs_processing"),
        (FindJobs(owner="one", cancel_requested=True), "aiojobs_jobs_processing"),
        (FindJobs(status=Status.PROCESSING), "aiojobs_jobs_processing"),
        (FindJobs(type="a", status=Status.PROCESSING), "aiojobs_jobs_processing"),
        (FindJobs(status=Status.DEAD), "aiojobs_jobs_finished"),
        (FindJobs(status=Status.CANCELLED), "aiojobs_jobs_finished"),
        (FindJobs(status=Status.DEAD, type="a", label="x"), "aiojobs_jobs_finished"),
        (FindJobs(label="x"), "aiojobs_jobs_label (label=? AND rowid>? AND rowid<?)"),
        (FindJobs(label="x", type="a", status=Status.PENDING), "aiojobs_jobs_label (label=? AND rowid>? AND rowid<?)"),
        (FindJobs(type="a", held=Held.PAYLOAD), "aiojobs_jobs_held (held=? AND type=? AND rowid>? AND rowid<?)"),
        (FindJobs(held=Held.PAYLOAD), "aiojobs_jobs_held (held=?)"),
        (FindJobs(ids=[1, 2, 3]), "INTEGER PRIMARY KEY (rowid=?)"),
        (FindJobs(ids=[1, 2, 3], owner="one", status=Status.PROCESSING), "INTEGER PRIMARY KEY (rowid=?)"),
        (FindJobs(batch=1), "INDEX aiojobs_batch_ranges_batch (batch=? AND rowid<?)"),
        (FindJobs(batch=1, ids=[1, 2]), "INDEX aiojobs_batch_ranges_batch (batch=? AND rowid<?)"),
        (FindJobs(before=100), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (FindJobs(status=Status.COMPLETED, type="a"), "aiojobs_jobs_finished (status=? AND completed_at>?"),
        (FindJobs(completed_from=5), "aiojobs_jobs_finished (status=? AND completed_at>?"),
        (FindJobs(status=Status.PENDING, type="a"), "aiojobs_jobs_pending (type=?)"),
        (FindJobs(status=Status.PENDING), "aiojobs_jobs_pending"),
        (FindJobs(in_lanes=True, status=Status.PENDING), "aiojobs_jobs_lane"),
        (FindJobs(in_lanes=True, type="a"), "aiojobs_jobs_lane"),
    ],
)
def test_jobs_that_are_few_among_many_are_found_by_an_index(
    connection: sqlite3.Connection, query: FindJobs, index: str
) -> None:
    steps = plan(connection, statement(SQL, source_of(connection, SQL, query), query), asked_of(query))
    assert index in steps
    assert not _WHOLE_TABLE.search(steps)


WALKS = {"look_at_tables", "look_at_columns"}


def test_every_query_that_touches_jobs_is_known_or_needs_no_search(connection: sqlite3.Connection) -> None:
    """None may look at all rows; two queries take any row of the table, or none."""
    assert {name for name in SQL if _WHOLE_TABLE.search(plan_of(connection, name))} == WALKS


def test_the_instant_of_these_tests_lies_between_the_jobs(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        sql = "SELECT scheduled_at > ?, count(*) FROM aiojobs_jobs WHERE status = 'pending' GROUP BY 1"
        assert dict(connection.execute(sql, (NOW,)).fetchall()) == {0: 501, 1: 1599}

"""`aiojobs-lite redrive`, `cancel`, `delete` and `run-now`: jobs by their ids, or all that filters choose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

import typer

from aiojobs_lite.cli.asking import YesOption, confirm
from aiojobs_lite.cli.choosing import with_filters
from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, act, look
from aiojobs_lite.cli.progress import bar
from aiojobs_lite.cli.screen import Screen, emit, note
from aiojobs_lite.errors import InvalidOption, JobError
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.telemetry.wording import counted

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="The jobs; or choose them by the filters.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many jobs there are, and change nothing.")]
_AT_ONCE: Final = 1_000  # jobs between two looks at the progress
_MOST_COUNTED: Final = 10_000_000


class _Action(NamedTuple):
    """What is done to jobs.

    Attributes:
        name: The word for it.
        past: The word for what was done.
        statuses: Those of the jobs to which it can be done, if no status is asked for.
        one: Does it to one job.
        many: Does it to at most so many that filters choose; returns how many.
        more_statuses: Those to which it can be done as well, if they are asked for.
    """

    name: str
    past: str
    statuses: tuple[str, ...]
    one: Callable[[OpenedDatabase, int], Awaitable[object]]
    many: Callable[[OpenedDatabase, Mapping[str, Any], int], Awaitable[int]]
    more_statuses: tuple[str, ...] = ()

    def statuses_of(self, wanted: Mapping[str, Any]) -> tuple[str, ...]:
        """Those of the jobs that filters choose.

        Raises:
            InvalidOption: If it can be done to no job of the status that is asked for: a dry run would count them.
        """
        if "status" not in wanted:
            return self.statuses
        possible = (*self.statuses, *self.more_statuses)
        if wanted["status"] not in possible:
            expected = f"{' or '.join(map(repr, possible))}: no other job can be {self.past.partition(',')[0]}"
            raise InvalidOption("status", wanted["status"], expected)
        return (wanted["status"],)


def _command(action: _Action, text: str) -> Callable[..., object]:
    """The command that does it to jobs."""

    def command(
        ids: Ids = None, *, wanted: dict[str, Any], dry_run: DryRun = False, yes: YesOption = False,
        db: DatabaseOption = None, as_json: JsonOption = False,
    ) -> int:  # fmt: skip
        return _move(action, ids, wanted, db, dry_run=dry_run, yes=yes, as_json=as_json)

    command.__doc__ = text
    return with_filters(command)


@with_filters
def cancel_jobs(
    ids: Ids = None, *, wanted: dict[str, Any], dry_run: DryRun = False, yes: YesOption = False,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the jobs.")] = None,
    db: DatabaseOption = None, as_json: JsonOption = False,
) -> int:  # fmt: skip
    """Cancels pending jobs, and asks processing ones to stop."""
    action = _Action(
        "cancel", "cancelled, or asked to stop", ("pending", "processing"),
        lambda opened, job_id: opened.jobs.cancel(job_id, reason),
        lambda opened, chosen, limit: opened.jobs.cancel_many(**chosen, reason=reason, limit=limit),
    )  # fmt: skip
    return _move(action, ids, wanted, db, dry_run=dry_run, yes=yes, as_json=as_json)


def _move(
    action: _Action, ids: Sequence[int] | None, wanted: dict[str, Any], db: str | None, *, dry_run: bool, yes: bool,
    as_json: bool,
) -> int:  # fmt: skip
    if not ids and not {*wanted} - {"order"}:
        raise InvalidOption("ID", None, f"the ids of the jobs to {action.name}, or a filter such as --type")
    chosen = {**wanted, **({"ids": ids} if ids else {})}
    by_filter = bool({*wanted} - {"order"})
    statuses = action.statuses_of(wanted)
    number = look(db, partial(_count, chosen=chosen, statuses=statuses)) if by_filter or dry_run else len(ids or ())
    refused: dict[int, str] = {}
    if not dry_run and (by_filter or action.name == "delete"):
        confirm(f"{action.name} {counted(number, 'job')}?", yes=yes)
    if dry_run:
        moved = 0
    elif by_filter:
        moved = act(db, partial(_move_many, action=action, chosen=chosen, statuses=statuses, number=number))
    else:
        moved, refused = act(db, partial(_move_each, action=action, ids=ids or ()))
    document = {
        "action": action.name, "is_dry_run": dry_run, "matched": number, "moved": moved,
        "refused": [{"id": job_id, "problem": problem} for job_id, problem in refused.items()],
    }  # fmt: skip
    text = f"{counted(number, 'job')} to {action.name}" if dry_run else f"{counted(moved, 'job')} {action.past}"

    def view(screen: Screen) -> None:
        for problem in refused.values():
            note(f"aiojobs-lite: {problem}")
        screen.line(text)

    emit(document, view, as_json=as_json)
    return ExitCode.REFUSED if refused else ExitCode.FINE


async def _count(opened: OpenedDatabase, *, chosen: Mapping[str, Any], statuses: Sequence[str]) -> int:
    """How many jobs there are, of these statuses."""
    found = [await opened.jobs.count(**{**chosen, "status": one}, most=_MOST_COUNTED) for one in statuses]
    return sum(one.count for one in found)


async def _move_many(
    opened: OpenedDatabase, *, action: _Action, chosen: Mapping[str, Any], statuses: Sequence[str], number: int
) -> int:
    moved = 0
    with bar(action.name) as progress:
        for status in statuses:
            # What processes stays so until its handler ends: asked once, it would be found again.
            at_once = _MOST_COUNTED if status == "processing" else _AT_ONCE
            part = at_once
            while part == at_once:
                part = await action.many(opened, {**chosen, "status": status}, at_once)
                moved += part
                progress(moved, number)
    return moved


async def _move_each(opened: OpenedDatabase, *, action: _Action, ids: Sequence[int]) -> tuple[int, dict[int, str]]:
    refused = {}
    for job_id in dict.fromkeys(ids):
        try:
            await action.one(opened, job_id)
        except JobError as error:
            refused[job_id] = str(error)
    return len(set(ids)) - len(refused), refused


async def _run_many_now(opened: OpenedDatabase, chosen: Mapping[str, Any], limit: int) -> int:
    """Makes pending jobs due, all at once; those that wait for something else are left alone."""
    del limit
    moved, after = 0, None
    while True:
        page = await opened.jobs.list(**chosen, limit=_AT_ONCE, after=after)
        done, _ = await _move_each(
            opened, action=_Action("", "", (), lambda of, job_id: of.jobs.run_now(job_id), _run_many_now),
            ids=[job.id for job in page],
        )  # fmt: skip
        moved, after = moved + done, page.next
        if after is None:
            return moved


redrive_jobs: Final = _command(
    _Action(
        "redrive", "redriven", ("dead",), lambda opened, job_id: opened.jobs.redrive(job_id),
        lambda opened, chosen, limit: opened.jobs.redrive_many(**chosen, limit=limit), ("cancelled",),
    ),
    "Sends dead jobs back to pending, with all attempts before them; by ids cancelled ones as well.",
)  # fmt: skip
delete_jobs: Final = _command(
    _Action(
        "delete", "deleted", ("pending", "completed", "dead", "cancelled"),
        lambda opened, job_id: opened.jobs.delete(job_id),
        lambda opened, chosen, limit: opened.jobs.delete_many(**chosen, limit=limit),
    ),
    "Deletes jobs that are not processing, with their history. There is no way back.",
)  # fmt: skip
run_jobs_now: Final = _command(
    _Action("run now", "due now", ("pending",), lambda opened, job_id: opened.jobs.run_now(job_id), _run_many_now),
    "Makes jobs due that wait for their retry or their time. A pause or a limit holds them back as before.",
)

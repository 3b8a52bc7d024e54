"""Judges a run by what the app has counted, what the sender was answered, and what the database has in the end."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiojobs_lite.inngest import ids
from tests.chaos.inngest.notes import digest, read
from tests.chaos.inngest.plan import APP, BROKEN_BY, RESULTS, STARTED_BY, hash_of, id_of
from tests.helpers.databases import sound

Step = tuple[str, str]
"""A step of a run: the id of the run, and the id that the SDK gives the step."""

CHECKS: Final = (
    "stored steps called again", "steps run again without a kill", "memos missing or changed", "runs not ended",
    "runs that died without reason", "wrong results", "events lost or doubled", "children lost or doubled",
    "ends not sent once", "unsound file", "errors in the log",
)  # fmt: skip


_WRONG: Final = re.compile("Traceback|.*(CRITICAL|ERROR (?!aiojobs_lite.jobs dead: ))")  # of a run that died is judged


class Call(NamedTuple):
    """A call that the app has got: its run, the life of our process that made it, and when it came."""

    run: str
    life: int
    made: int


class JobRow(NamedTuple):
    """A job of a run as it stands in the end."""

    id: int
    run: str
    type: str
    status: str
    reason: str
    result: Any
    event: str
    crashes: int


@dataclass
class Verdict:
    """What a run has come to.

    Attributes:
        breaches: The breaches of each promise, as texts.
        figures: What was counted.
    """

    breaches: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in CHECKS})
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether each promise was kept."""
        return not any(self.breaches.values())


def judge(folder: Path) -> Verdict:
    """Reads all that a run has left in a folder, and judges it."""
    verdict = Verdict()
    lives = _Lives(folder / "killer")
    calls = _judge_calls(folder / "app", lives, verdict)
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        jobs = _jobs(connection)
        _judge_memos(connection, jobs, calls, verdict)
        _judge_ends(connection, jobs, calls, verdict)
        _judge_events(connection, folder / "sender", jobs, verdict)
        _judge_children(connection, jobs, verdict)
        _judge_end_events(connection, jobs, verdict)
    try:
        sound(folder / "jobs.db")
    except AssertionError as error:
        verdict.breaches["unsound file"].append(str(error))
    lines = (folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
    verdict.breaches["errors in the log"] += [line for line in lines if _WRONG.match(line)]
    verdict.figures = {"kills": lives.kills, **verdict.figures}
    return verdict


class _Lives:
    """The processes, and what was stored before each.

    Attributes:
        kills: How many were killed.
        stored: Before which life a look has found a step stored.
    """

    def __init__(self, path: Path) -> None:
        self.kills = 0
        self.stored: dict[Step, int] = {}
        self.kinds: dict[Step, str] = {}
        self._forked: list[int] = []
        self._at = 0
        for what, facts in read(path):
            if what == "forked":
                self._forked.append(facts["at"])
            elif what == "stored":
                for run, hashed, kind in facts["steps"]:
                    self.stored.setdefault((run, hashed), facts["life"])
                    self.kinds[run, hashed] = kind
            else:
                self.kills += 1
        self.kills -= 1  # the last process has done all there was to do

    def of(self, made: int) -> int:
        """The life of the process that made a call at an instant."""
        while self._at < len(self._forked) and self._forked[self._at] <= made:
            self._at += 1
        while self._at and self._forked[self._at - 1] > made:
            self._at -= 1
        return self._at


@dataclass
class _Calls:
    """What the app has seen.

    Attributes:
        memos: The first memo of each step that a call had, and when that call was made.
        tokens: What each step gave, each time it came to its end.
        finished: In calls of which processes it did.
        checked: When the checkpoint of a step was answered.
        bodies: How often the code of each step began.
    """

    of: dict[int, Call] = field(default_factory=dict)
    memos: dict[Step, tuple[int, int]] = field(default_factory=dict)
    tokens: dict[Step, list[str]] = field(default_factory=lambda: defaultdict(list))
    finished: dict[Step, set[int]] = field(default_factory=lambda: defaultdict(set))
    checked: dict[Step, int] = field(default_factory=dict)
    bodies: Counter[Step] = field(default_factory=Counter)


def _judge_calls(path: Path, lives: _Lives, verdict: Verdict) -> _Calls:
    """Judges what the app was called for, in the order in which it was."""
    seen, broken = _Calls(), verdict.breaches
    stored_of: dict[str, list[Step]] = defaultdict(list)
    checked_of: dict[str, list[Step]] = defaultdict(list)
    known_of: dict[str, list[Step]] = defaultdict(list)
    for step in lives.stored:
        stored_of[step[0]].append(step)
    for what, facts in read(path):
        if what == "call":
            call = Call(facts["run"], lives.of(facts["made"]), facts["made"])
            seen.of[facts["call"]] = call
            memos = {(call.run, hashed): memo for hashed, memo in facts["memos"].items()}
            for step, memo in memos.items():
                if step not in seen.memos:
                    known_of[call.run].append(step)
                if seen.memos.setdefault(step, (memo, call.made))[0] != memo:
                    broken["memos missing or changed"].append(f"{step} has another memo in call {facts['call']}")
            missing = [step for step in stored_of[call.run] if lives.stored[step] <= call.life]
            missing += [step for step in known_of[call.run] if seen.memos[step][1] < call.made]
            missing += [step for step in checked_of[call.run] if seen.checked[step] < call.made]
            broken["memos missing or changed"] += [f"{one} is not in {call}" for one in missing if one not in memos]
            if facts["target"] is not None:
                _judge_step((call.run, facts["target"]), call, lives, seen, broken, "call")
        else:
            call, step = seen.of[facts["call"]], (facts["run"], hash_of(facts["step"]))
            if what == "body":
                seen.bodies[step] += 1
                _judge_step(step, call, lives, seen, broken, "run")
            elif what == "done":
                seen.tokens[step].append(facts["token"])
                seen.finished[step].add(call.life)
            else:
                seen.checked[step] = facts["at"]
                checked_of[call.run].append(step)
    verdict.figures |= {
        "calls": len(seen.of), "steps that ran": len(seen.bodies), "runs of them": sum(seen.bodies.values()),
        "ran again, as their end was not stored": sum(len(tokens) - 1 for tokens in seen.tokens.values()),
        "checkpoints answered": len(seen.checked),
    }  # fmt: skip
    return seen


def _judge_step(
    step: Step, call: Call, lives: _Lives, seen: _Calls, broken: dict[str, list[str]], what: str
) -> None:  # fmt: skip
    """Judges that a step is called, or runs."""
    if lives.stored.get(step, call.life + 1) <= call.life:
        broken["stored steps called again"].append(f"{step} by process {call.life}, a {what}: it was stored before")
    elif step in seen.memos and seen.memos[step][1] < call.made:
        broken["stored steps called again"].append(f"{step} by process {call.life}, a {what}: an earlier call had it")
    elif seen.checked.get(step, call.made) < call.made:
        broken["stored steps called again"].append(f"{step} by process {call.life}, a {what}: a checkpoint had it")
    if what == "run" and call.life in seen.finished[step]:
        broken["steps run again without a kill"].append(f"{step} by process {call.life}")


# What the database has.


def _jobs(connection: sqlite3.Connection) -> list[JobRow]:
    rows = connection.execute(
        "SELECT id, created_at, type, status, reason, result, payload, crashes FROM aiojobs_jobs WHERE type LIKE ?",
        [f"{APP}-%"],
    )
    return [
        JobRow(job, ids.run_id(created, job), kind, status, reason or "", result and json.loads(result),
               json.loads(payload)["event"]["id"], crashes)
        for job, created, kind, status, reason, result, payload, crashes in rows
    ]  # fmt: skip


def _judge_memos(connection: sqlite3.Connection, jobs: list[JobRow], calls: _Calls, verdict: Verdict) -> None:
    """The memos that calls had are those that are stored, and those of steps are what the app gave."""
    runs = {job.id: job.run for job in jobs}
    rows = connection.execute("SELECT job_id, name, memo FROM aiojobs_steps WHERE kind = 'run' AND state = 'done'")
    count = 0
    for job, name, memo in rows:
        if name.startswith(ids.BOOKKEEPING) or job not in runs:
            continue
        count += 1
        step, value = (runs[job], ids.step_hash_of(name)), json.loads(memo)
        if step in calls.memos and calls.memos[step][0] != digest(value):
            verdict.breaches["memos missing or changed"].append(f"{step} is stored as {memo}, and was given otherwise")
        if step in calls.tokens and value["data"][0] not in calls.tokens[step]:
            verdict.breaches["memos missing or changed"].append(f"{step} is stored as {memo}, which it never gave")
    verdict.figures["steps that are stored"] = count


def _judge_ends(connection: sqlite3.Connection, jobs: list[JobRow], calls: _Calls, verdict: Verdict) -> None:
    """Each run has ended, and as it has to."""
    children = dict(connection.execute("SELECT parent_id, child_id FROM aiojobs_children"))
    by_id = {job.id: job for job in jobs}
    (all_lost,) = connection.execute("SELECT count(*) FROM aiojobs_attempts WHERE outcome = 'lost'").fetchone()
    ends: Counter[str] = Counter()
    for job in jobs:
        ends[f"{job.type}: {job.status}"] += 1
        text = f"{job.type} {job.run} (job {job.id}) is {job.status}: {job.reason}"
        if job.status in {"pending", "processing"}:
            verdict.breaches["runs not ended"].append(text)
        elif job.status == "dead":
            if job.type != "chaos-report" or BROKEN_BY not in job.reason:
                verdict.breaches["runs that died without reason"].append(text)
        elif not _fits(RESULTS[job.type], job.result, job, calls, by_id, children.get(job.id)):
            verdict.breaches["wrong results"].append(f"{text}: {job.result}")
    verdict.figures |= {name: ends[name] for name in sorted(ends)} | {"attempts lost": all_lost}


def _fits(expected: Any, found: Any, job: JobRow, seen: _Calls, jobs: Mapping[int, JobRow], child: int | None) -> bool:
    """Whether a result is made of what the steps of a run gave, of the events that it waited for, and of its child."""
    match expected:
        case None:
            return found is None
        case str() if "/" in expected:
            number = int(job.event.rpartition(" ")[2])
            return bool(found == [id_of(expected, number), number])
        case str():
            return isinstance(found, list) and found[0] in seen.tokens[job.run, hash_of(expected)]
        case dict():
            return child in jobs and bool(found == jobs[child or 0].result)
        case _:
            return len(expected) == len(found) and all(
                _fits(one, other, job, seen, jobs, child) for one, other in zip(expected, found, strict=True)
            )


def _judge_events(connection: sqlite3.Connection, path: Path, jobs: list[JobRow], verdict: Verdict) -> None:
    """Each event that was acknowledged is there once, under the id that was answered, and has started one run."""
    broken = verdict.breaches["events lost or doubled"]
    stored: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, name, key in connection.execute("SELECT id, name, key FROM aiojobs_events"):
        stored[key].append((number, name))
    started = Counter([(job.type, job.event) for job in jobs])
    again = count = 0
    for what, facts in read(path):
        if what == "failed":
            continue
        count += 1
        again += facts["tries"] > 1
        event, name = facts["event"], facts["name"]
        if [one for one, of in stored[event] if of == name] != [ids.number_of(facts["id"])]:
            broken.append(f"{event!r} was answered {facts['id']}, and stored as {stored[event]}")
        if name in STARTED_BY and started[STARTED_BY[name], event] != 1:
            broken.append(f"{event!r} has started {started[STARTED_BY[name], event]} runs")
    for job in jobs:
        if job.type == "chaos-notice" and job.status == "completed":
            event = f"echo {job.event.rpartition(' ')[2]}"
            if started["chaos-echo", event] != 1:
                broken.append(f"{event!r} of {job.run} has started {started['chaos-echo', event]} runs")
    verdict.figures |= {"events acknowledged": count, "after several tries": again}


def _judge_children(connection: sqlite3.Connection, jobs: list[JobRow], verdict: Verdict) -> None:
    """Each step that invokes a function has one run of it, and each run of it is one of a step."""
    broken = verdict.breaches["children lost or doubled"]
    packers = {job.id for job in jobs if job.type == "chaos-packer"}
    rows = connection.execute("SELECT parent_id, step, child_id FROM aiojobs_children").fetchall()
    of_step = Counter([(parent, step) for parent, step, _ in rows])
    broken += [
        f"{step!r} of job {parent} has {count} children" for (parent, step), count in of_step.items() if count > 1
    ]
    broken += [f"job {job} has no parent" for job in packers - {child for _, _, child in rows}]
    completed = {job.id for job in jobs if job.type == "chaos-order" and job.status == "completed"}
    broken += [f"job {job} has no child" for job in completed - {parent for parent, _, _ in rows}]


def _judge_end_events(connection: sqlite3.Connection, jobs: list[JobRow], verdict: Verdict) -> None:
    """The end of each run is sent once, by an event; each report that failed has started its `onFailure` once."""
    broken = verdict.breaches["ends not sent once"]
    sent = Counter([
        json.loads(data)["run_id"] for (data,) in
        connection.execute("SELECT data FROM aiojobs_events WHERE name = 'inngest/function.finished'")
    ])  # fmt: skip
    failures = Counter([job.event for job in jobs if job.type == "chaos-report-failure"])
    for job in jobs:
        expected = job.type != "chaos-report-failure"
        if sent[job.run] != expected and job.status in {"completed", "dead"}:
            broken.append(f"the end of {job.type} {job.run} was sent {sent[job.run]} times")
        if job.type == "chaos-report" and failures[job.run] != 1:
            broken.append(f"the failure of {job.run} has started {failures[job.run]} runs")

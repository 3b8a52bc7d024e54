"""The dashboard of a file with a million jobs: how long each page and each filter takes, by HTTP."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode, urlsplit

from benchmarks.harness import OURS, Figure, Plan, new_path
from benchmarks.service import RARE_ERROR, RARE_USER, SHAPES, fill
from benchmarks.workloads.web import served

JOBS: Final = 1_000_000
ASKED_TIMES: Final = 7
SLOWEST: Final = "slowest page"
APP: Final = "benchmarks.workloads.pages_app:app"
STATUSES: Final = ("pending", "processing", "completed", "dead", "cancelled")
_LONG_AGO, _TOMORROW = "2020-01-01T00:00", "2120-01-01T00:00"
_FILTERS: Final = (
    {"type": "email.1"}, {"type": "nowhere"}, {"error": "ConnectionError"}, {"error": RARE_ERROR}, {"error": "nowhere"},
    {"label": "region-3"}, {"label": "order-77"}, {"label": "nowhere"}, {"payload": "user_id=1007"},
    {"payload": f"user_id={RARE_USER}"}, {"payload": "user_id=-1"}, {"payload": "email=user7@example.com"},
    {"key": "tenant=acme-9"}, {"key": "tenant=nowhere"}, {"held": "event"}, {"held": "payload"}, {"batch": "1"},
    {"metadata": "tenant=acme-5"}, {"metadata": "tenant=nowhere"}, {"from": _LONG_AGO}, {"from": _TOMORROW},
    {"until": _TOMORROW}, {"until": _LONG_AGO}, {"ended_from": _LONG_AGO}, {"ended_from": _TOMORROW},
    {"ended_until": _TOMORROW}, {"ended_until": _LONG_AGO}, {"reason": "withdrawn"}, {"reason": "nowhere"},
    {"order": "oldest"},
    {"type": "email.1", "error": "nowhere"}, {"type": "email.1", "payload": "user_id=-1"},
    {"label": "region-3", "error": "nowhere"}, {"label": "region-3", "payload": "user_id=-1"},
    {"batch": "1", "error": "nowhere"}, {"payload": "user_id=-1", "metadata": "tenant=nowhere"},
)  # fmt: skip
_OTHERS: Final = (
    "", "types", "schedules", "events", "events?name=user/paid", "events?name=nowhere", "events/1", "deliveries",
    *(f"deliveries?status={status}" for status in STATUSES), "lanes", "lanes?limit=tenant", "find?q=401", "jobs/1",
    "jobs/401", "jobs/1007", "nothing",
)  # fmt: skip
_OF_A_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


def paths() -> list[str]:
    """Every page, and each filter of the jobs: of every status, in both orders, and from the middle on."""
    lists = [{"status": status, **wanted} for wanted in ({}, *_FILTERS) for status in ("", *STATUSES)]
    lists += [{"order": "oldest", **wanted} for wanted in _FILTERS]
    lists += [{"after": "500000", **wanted} for wanted in _FILTERS]
    return [*_OTHERS, *(f"jobs?{urlencode({name: of for name, of in one.items() if of})}" for one in lists)]


def questions() -> list[str]:
    """The forms by which a person asks to delete all jobs that match; a page says first how many they are."""
    return [urlencode({"action": "delete", "all": "1", **wanted}) for wanted in _FILTERS]


def pages(plan: Plan) -> Iterator[Figure]:
    """Milliseconds of each page, of files of several shapes; of each but the first only the slowest one is told."""
    for number, (name, shape) in enumerate(SHAPES.items()):
        with new_path() as path:
            asyncio.run(fill(path, plan.jobs(JOBS), shape))
            took = asked(path)
        slowest = max(took, key=lambda page: median(took[page]))
        for page, values in took.items() if number == 0 else ():
            yield Figure(f"page /{page}", OURS, "normal", "ms", values, note=f"at most {max(values):.0f} ms")
        note = f"/{slowest}, once {max(max(values) for values in took.values()):.0f} ms"
        yield Figure(f"{SLOWEST}, {name}", OURS, "normal", "ms", took[slowest], note=note)


def asked(path: Path) -> dict[str, tuple[float, ...]]:
    """Milliseconds of each answer of each page of a file."""
    forms = {f"jobs/many {form}": form for form in questions()}
    took: dict[str, list[float]] = {page: [] for page in (*paths(), *forms)}
    with served(APP, {**os.environ, "AIOJOBS_LITE_DATABASE": str(path)}) as server:
        connection = HTTPConnection(urlsplit(server.address).netloc)
        for _ in range(ASKED_TIMES):
            for page, values in took.items():
                began = time.perf_counter()
                if page in forms:
                    connection.request("POST", "/jobs/many", forms[page], _OF_A_FORM)
                else:
                    connection.request("GET", f"/{page}")
                answer = connection.getresponse()
                text = answer.read()
                values.append((time.perf_counter() - began) * 1000)
                if answer.status not in {200, 303, 404}:
                    raise RuntimeError(f"/{page} answered {answer.status}:\n{text.decode()}")
        connection.close()
    return {page: tuple(values) for page, values in took.items()}

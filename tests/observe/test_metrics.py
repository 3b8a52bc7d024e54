"""The metrics as a scraper gets them, and as the dashboard of Grafana uses them."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from aiojobs_lite import Cancel, InvalidOption, JobRunner
from aiojobs_lite.model.troubles import Trouble, TroubleReport, report_text
from aiojobs_lite.observe import metrics_app
from aiojobs_lite.observe.measures import MEASURES
from aiojobs_lite.testing import JobKit
from tests.helpers.documents import DOCS, rows, section, spans

Values = dict[tuple[str, tuple[str, ...]], float]
DASHBOARD = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
LABELS = ["type", "outcome", "status", "reason", "kind", "le"]
KINDS = ("stuck", "blocked", "degraded", "silent")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


async def scrape(app: Any, path: str = "/", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        return await client.get(path, headers=headers, follow_redirects=True)


def values_of(text: str) -> Values:
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels, key=LABELS.index))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.fixture
def runner() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(name="mail", max_attempts=2)
    async def mail(how: str = "") -> None:
        if how == "fail":
            raise ConnectionError
        if how == "cancel":
            raise Cancel("gone")

    return runner


async def test_the_metrics_are_those_of_the_rows(runner: JobRunner, job_kit: JobKit) -> None:
    async with job_kit(runner):
        for how in ("", "", "fail", "cancel"):
            await runner.enqueue_named("mail", how)
        await job_kit.run_to_end()
        await runner.types.pause("mail")
        await runner.enqueue_named("mail")
        await runner.enqueue_named("mail", "later")
        answer, stats = await scrape(metrics_app(runner)), runner.stats()
    found = values_of(answer.text)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    expected: Values = {
        ("aiojobs_attempts_total", ("mail", "succeeded")): 2,
        ("aiojobs_attempts_total", ("mail", "failed")): 2,
        ("aiojobs_attempts_total", ("mail", "cancelled")): 1,
        ("aiojobs_jobs_ended_total", ("mail", "completed")): 2,
        ("aiojobs_jobs_ended_total", ("mail", "dead")): 1,
        ("aiojobs_jobs_ended_total", ("mail", "cancelled")): 1,
        ("aiojobs_attempt_duration_seconds_bucket", ("mail", "+Inf")): 4,
        ("aiojobs_attempt_duration_seconds_count", ("mail",)): 4,
        ("aiojobs_queue_jobs", ("mail", "pending")): 2,
        ("aiojobs_queue_jobs", ("mail", "processing")): 0,
        ("aiojobs_kept_jobs", ("mail", "completed")): 2,
        ("aiojobs_kept_jobs", ("mail", "dead")): 1,
        ("aiojobs_kept_jobs", ("mail", "cancelled")): 1,
        ("aiojobs_due_jobs", ()): 0,
        ("aiojobs_type_paused", ("mail",)): 1,
        ("aiojobs_runners", ()): 1,
        **{("aiojobs_runner_troubles", (kind,)): 0 for kind in KINDS},
        ("aiojobs_running_handlers", ()): 0,
        ("aiojobs_degraded", ()): 0,
        ("aiojobs_commit_duration_seconds_count", ()): stats.commits.count,
        ("aiojobs_commit_duration_seconds_bucket", ("+Inf",)): stats.commits.count,
        ("aiojobs_commit_duration_seconds_sum", ()): stats.commits.total,
    }
    assert stats.commits.count > 4
    assert stats.commits.total > 0
    assert {key: found.get(key) for key in expected} == expected


async def test_the_age_is_that_of_the_longest_waiting_job(runner: JobRunner, job_kit: JobKit) -> None:
    async with job_kit(runner, run=False):
        await runner.enqueue_named("mail")
        job_kit.clock.advance(90)
        found = values_of((await scrape(metrics_app(runner))).text)
        await runner.types.pause("mail")
        paused = values_of((await scrape(metrics_app(runner))).text)
    assert (found["aiojobs_oldest_due_age_seconds", ("mail",)], found["aiojobs_due_jobs", ()]) == (90, 1)
    assert ("aiojobs_oldest_waiting_age_seconds", ("mail", "paused")) not in found
    assert paused["aiojobs_oldest_waiting_age_seconds", ("mail", "paused")] == 90
    assert (paused["aiojobs_oldest_due_age_seconds", ("mail",)], paused["aiojobs_due_jobs", ()]) == (0, 0)


async def test_a_process_answers_for_another_that_is_in_trouble(database: Path) -> None:
    async with JobRunner(database) as other, JobRunner(database, max_running=0) as runner:
        owner = next(one.id for one in await runner.runners() if one.max_running)
        os.utime(f"{database}-owner-{owner}", (0, 0))
        at = datetime(2026, 3, 1, tzinfo=UTC)
        stuck = Trouble("stuck", at, "mail", 1, 1, "timeout", "")
        blocked = Trouble("blocked", at, None, None, None, None, "")
        Path(f"{database}-owner-{owner}.report").write_text(report_text(TroubleReport((blocked, *[stuck] * 203))))
        found = values_of((await scrape(metrics_app(runner))).text)
        assert other.stats().stuck == 0
    assert {kind: found["aiojobs_runner_troubles", (kind,)] for kind in KINDS} == {
        "stuck": 203, "blocked": 1, "degraded": 0, "silent": 1,
    }  # fmt: skip


async def test_each_scraper_gets_its_format(runner: JobRunner, job_kit: JobKit) -> None:
    async with job_kit(runner):
        answer = await scrape(metrics_app(runner), accept="application/openmetrics-text; version=1.0.0")
    parse_open: Any = openmetrics.text_string_to_metric_families
    names = {family.name for family in parse_open(answer.text)}
    assert names >= {measure.name for measure in MEASURES if measure.name != "aiojobs_held_jobs"} - {
        "aiojobs_unclaimed_jobs",
        "aiojobs_oldest_waiting_age_seconds",
    }


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_it_is_mounted_under_any_path(runner: JobRunner, job_kit: JobKit, path: str) -> None:
    app = FastAPI()
    app.mount("/metrics", metrics_app(runner))
    async with job_kit(runner):
        answer = await scrape(app, path)
    assert (answer.status_code, "aiojobs_runners 1.0" in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("Bearer", 401), ("Bearer s3cret", 200)],
)
async def test_a_token_is_wanted(runner: JobRunner, job_kit: JobKit, header: str | None, status: int) -> None:
    async with job_kit(runner):
        answer = await scrape(
            metrics_app(runner, token="s3cret"), **({} if header is None else {"authorization": header})
        )
    assert answer.status_code == status
    assert ("aiojobs" in answer.text) is (status == 200)


async def test_before_the_start_the_answer_is_503(runner: JobRunner) -> None:
    answer = await scrape(metrics_app(runner))
    assert (answer.status_code, "start" in answer.text) == (503, True)


async def test_a_name_with_any_characters_is_one_label(runner: JobRunner, job_kit: JobKit) -> None:
    name = 'a"b\\c}<script>'

    @runner.job(name=name)
    async def odd() -> None: ...

    async with job_kit(runner, run=False):
        await runner.enqueue(odd)
        found = values_of((await scrape(metrics_app(runner))).text)
    assert found["aiojobs_queue_jobs", (name, "pending")] == 1


@pytest.mark.parametrize("wrong", [None, "app.db", JobRunner])
def test_only_a_runner_is_taken(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="a JobRunner"):
        metrics_app(wrong)


@pytest.mark.parametrize("wrong", ["", 7, "a\nb"])
def test_only_a_text_is_a_token(runner: JobRunner, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="token"):
        metrics_app(runner, token=wrong)


def test_without_the_extra_it_says_how_to_install_it(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(InvalidOption, match=r'pip install "aiojobs_lite\[prometheus\]"'):
        metrics_app(runner)


def test_the_guide_has_each_metric() -> None:
    page = DOCS / "guides" / "observing.md"
    listed = [(spans(name)[0], spans(labels)) for name, labels, *_ in rows(section(page, "Prometheus"))]
    assert listed == [(f"{one.name}_total" if one.kind == "counter" else one.name, [*one.labels]) for one in MEASURES]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_dashboard_uses_what_there_is(expression: str) -> None:
    labels = {f"{one.name}{suffix}": {*one.labels} for one in MEASURES for suffix in SUFFIXES[one.kind]}
    named = re.findall(r"\baiojobs_\w+", expression)
    used = {*re.findall(r"(\w+)=~?\"", expression)}
    for group in re.findall(r"by \(([\w, ]+)\)", expression):
        used |= {*group.split(", ")}
    known = set[str]().union(*(labels[name] for name in named)) | {"instance", "le"}
    assert named
    assert used <= known


def test_the_dashboard_uses_each_figure_of_all_processes() -> None:
    used = {name for expression in EXPRESSIONS for name in re.findall(r"\baiojobs_\w+", expression)}
    assert {one.name for one in MEASURES if not any(name.startswith(one.name) for name in used)} <= {"aiojobs_due_jobs"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])

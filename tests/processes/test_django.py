"""Django by the guide to other hosts: a project of `startproject`, with models, under ASGI and under WSGI."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from aiojobs_lite import Status
from tests.helpers.apps.hosted import HELD
from tests.helpers.host_programs import (
    EXPECTED,
    GUNICORN,
    PROGRAMS,
    UVICORN,
    completed,
    drained,
    ends,
    host,
    served,
    sign_up,
    write_programs,
)
from tests.helpers.rings import slow
from tests.helpers.root import ROOT

pytestmark = slow

MAILS = """
from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection, connections
from people.models import Person
from tests.helpers.apps.hosted import jobs, say_log, welcome

say_log()

@jobs.job
async def count() -> str:
    try:
        return f"{await Person.objects.acount()} people"
    finally:
        await sync_to_async(close_old_connections)()
        assert await sync_to_async(lambda: connection.connection)() is None

@jobs.job
def count_in_a_thread() -> str:
    try:
        return f"{Person.objects.count()} people"
    finally:
        connections.close_all()
"""
MODELS = """
from django.db import models

class Person(models.Model):
    pass
"""
SETTINGS = """
INSTALLED_APPS += ["people"]
ALLOWED_HOSTS = ["*"]
"""
VIEWS = """
from aiojobs_lite import JobClient
from people.models import Person

client = JobClient(jobs=[mails])

def sign_up_by_client(request, user_id):
    with transaction.atomic():
        Person.objects.create()
        found = []
        transaction.on_commit(lambda: found.append(client.enqueue(mails.welcome, user_id=user_id).id))
    return JsonResponse({"job": found[0]}, status=202)

@transaction.atomic
def fail(request):
    Person.objects.create()
    sign_up_by_form(request, 7)
    raise OSError("rolled back")

def count(request, name):
    return JsonResponse({"job": runner.enqueue_threadsafe(getattr(mails, name)).id}, status=202)
"""
URLS = """
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from project import views

urlpatterns = [
    path("users/<int:user_id>", csrf_exempt(views.sign_up)),
    path("forms/<int:user_id>", csrf_exempt(views.sign_up_by_form)),
    path("clients/<int:user_id>", csrf_exempt(views.sign_up_by_client)),
    path("fail", csrf_exempt(views.fail)),
    path("counts/<name>", csrf_exempt(views.count)),
]
"""
COMMAND = """
import asyncio
from django.core.management.base import BaseCommand
from project.jobs import runner

class Command(BaseCommand):
    def handle(self, **options):
        asyncio.run(runner.run_forever())
"""
MIGRATE = """
import os, django
from django.core.management import call_command
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
django.setup()
call_command("makemigrations", "people")
call_command("migrate", "people")
"""
TESTS = """
async def test_quart(job_kit):
    from quart_app import app, mails, runner
    job_kit.replace(runner)
    async with app.test_app() as running:
        assert (await running.test_client().post("/users/7")).status_code == 202
        await runner.run_until_idle()
        assert runner.stats().completed == 1
    job_kit.assert_enqueued(mails.welcome, user_id=7)

def test_starlette(job_kit):
    from starlette.testclient import TestClient
    from starlette_app import app, mails, runner
    job_kit.replace(runner)
    with TestClient(app) as client:
        assert client.post("/users/7").status_code == 202
        job_kit.wait_for(runner.run_until_idle())
        assert runner.stats().completed == 1
    job_kit.assert_enqueued(mails.welcome, user_id=7)
"""


def run(folder: Path, *command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose three modules are those of the page."""
    folder = tmp_path_factory.mktemp("django")
    run(folder, "-m", "django", "startproject", "project", ".")
    write_programs(folder)
    files = {f"project/{name}.py": PROGRAMS[name] for name in ("asgi", "jobs", "views")}
    files["project/views.py"] += VIEWS
    files["project/settings.py"] = (folder / "project/settings.py").read_text(encoding="utf-8") + SETTINGS
    files |= {"project/urls.py": URLS, "people/models.py": MODELS, "people/__init__.py": "", "mails.py": MAILS}
    files["people/management/commands/run_jobs.py"] = COMMAND
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    run(folder, "-c", MIGRATE)
    return folder


@pytest.fixture
def folder(project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(project, tmp_path, dirs_exist_ok=True))


@pytest.mark.parametrize("lifespan", ["on", "off"])
async def test_under_asgi_views_of_both_kinds_enqueue_and_the_end_drains(folder: Path, lifespan: str) -> None:
    async with served(folder, *UVICORN, "--lifespan", lifespan, "project.asgi:application") as (child, client):
        assert await completed(folder, await sign_up(client, "/users/1")) == "welcomed user 1"
        assert (await client.post("/forms/3")).status_code == 202
        assert (await client.post("/fail")).status_code == 500
        await sign_up(client, "/clients/4")
        assert await completed(folder, await sign_up(client, "/counts/count")) == "1 people"
        assert await completed(folder, await sign_up(client, "/counts/count_in_a_thread")) == "1 people"
        await sign_up(client, f"/users/{HELD}")
        # Without events of the lifespan the server goes on until the drain is over.
        late = partial(sign_up, client, "/users/5") if lifespan == "off" else None
        assert await drained(child, folder, late) == -signal.SIGTERM
    results = ["1 people", "1 people", *(f"welcomed user {number}" for number in (1, HELD, 3, 4))]
    expected: list[tuple[str, int, int, object]] = [(Status.COMPLETED, 1, 0, result) for result in results]
    assert await ends(folder) == expected + [(Status.PENDING, 0, 0, None)] * (late is not None)


async def test_under_wsgi_views_enqueue_for_a_management_command(folder: Path) -> None:
    server = served(folder, *GUNICORN, "project.wsgi")
    async with host(folder, "manage.py", "run_jobs") as worker, server as (_, client):
        assert await completed(folder, await sign_up(client, "/clients/1")) == "welcomed user 1"
        await sign_up(client, f"/clients/{HELD}")
        assert await drained(worker, folder) == -signal.SIGTERM
        refused = await client.post("/users/3")  # no runner is started in this process
        assert (refused.status_code, "a JobClient" in refused.text) == (500, True)
    assert await ends(folder) == EXPECTED


async def test_the_tests_of_the_page_and_those_that_its_table_names_pass(folder: Path) -> None:
    (folder / "test_others.py").write_text(TESTS, encoding="utf-8")
    (folder / "conftest.py").write_text("import project.asgi", encoding="utf-8")  # as pytest-django has it
    async with host(
        folder, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "test_hosts.py", "test_others.py"
    ) as child:
        assert await child.ended() == 0, child.lines
    assert f"{(PROGRAMS['test_hosts'] + TESTS).count('def test_')} passed" in child.lines[-1]
    assert not (folder / "jobs.db").exists()

"""The dashboard of the database that AIOJOBS_LITE_DATABASE names, in a process of its own, as `aiojobs-lite web`."""

from __future__ import annotations

from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.web import jobs_dashboard

runner = OpenedDatabase(opening="act")
app = runner.asgi(jobs_dashboard(runner, auth=lambda request: "admin"))  # noqa: ARG005  # anybody on this machine

"""`aiojobs-lite web`: the dashboard of a database, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.http.this_machine import is_loopback
from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.web import basic_auth, jobs_dashboard, loopback_only

PASSWORD_VARIABLE: Final = "AIOJOBS_LITE_WEB_PASSWORD"  # noqa: S105  # where it is, not what
_USER: Final = "admin"


def dashboard_alone(database: str, host: str, *, read_only: bool) -> tuple[JobRunner, AsgiApp]:
    """A runner that runs no job, and its dashboard.

    Clients on this machine are let in. With AIOJOBS_LITE_WEB_PASSWORD in the environment it is the user `admin` with
    that password, from anywhere.

    Args:
        database: The SQLite file, which must be there.
        host: The address to listen on; one of another machine needs a password.
        read_only: Whether nothing can be changed.

    Raises:
        InvalidOption: If there is no such file, or others could come in without a password.
    """
    if not Path(database).is_file():
        raise InvalidOption("database", database, "a file that is there: the dashboard makes none")
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password and not is_loopback(host):
        raise InvalidOption("host", host, f"an address of this machine, such as 127.0.0.1, or {PASSWORD_VARIABLE}=...")
    users = {_USER: password}
    auth = loopback_only("read" if read_only else "admin")
    if password:
        auth = basic_auth({}, users) if read_only else basic_auth(users)
    runner = OpenedDatabase(database, opening="act")
    return runner, jobs_dashboard(runner, auth=auth, title=Path(database).name)

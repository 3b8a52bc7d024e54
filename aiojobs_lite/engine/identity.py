"""Which runner this is, and of which database."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from collections.abc import Mapping
from typing import Final

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.runners import SetRunner

_ID: Final = re.compile(r"[1-9][0-9]{0,18}")


def key_of(database: str, job_id: int) -> str:
    """The key of a job, unique over databases; `database` is the random id of its own."""
    return f"{database}-{job_id}"


def new_owner() -> str:
    """An id that no other owner ever has."""
    return secrets.token_hex(8)


def stored_types(limits: Mapping[str, int | None]) -> str:
    """The job types of a runner, each with its concurrency or None, as they are stored."""
    return json.dumps(dict(limits))


class Identity:
    """What others can know a runner by.

    Args:
        max_running: Most handlers that it runs at once.
        limits: The job types that it has registered, each with its concurrency or None.

    Attributes:
        stored: What it stores of itself.
        database: The random id of its database; empty before the start.
    """

    def __init__(self, max_running: int, limits: Mapping[str, int | None]) -> None:
        self.stored = SetRunner(new_owner(), os.getpid(), socket.gethostname(), max_running, stored_types(limits))
        self.database = ""

    @property
    def owner(self) -> str:
        """Its owner id."""
        return self.stored.id

    def key_of(self, job_id: int) -> str:
        """The key of a job, unique over databases."""
        return key_of(self.database, job_id)

    def id_of(self, key: str) -> int | None:
        """The id of the job that has a key; None if it is no key of a job of this database. The job may be gone."""
        database, dash, number = key.rpartition("-")
        if not dash or not database or database != self.database:
            return None
        is_id = _ID.fullmatch(number) is not None and int(number) <= LARGEST_INTEGER
        return int(number) if is_id else None

"""Payloads that wait: some of them, whatever their number."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from aiojobs_lite.model.payloads import WaitingPayload
from aiojobs_lite.model.queries import SamplePayloads
from aiojobs_lite.stores.sqlite.rows import Sql


def sample_payloads(connection: sqlite3.Connection, sql: Sql, query: SamplePayloads) -> list[WaitingPayload]:
    """See `SamplePayloads`."""
    half = query.limit // 2
    found: dict[int, WaitingPayload] = {}
    for name, limit in (("first_payloads", query.limit - half), ("last_payloads", half)):
        chars = 0
        with closing(connection.execute(sql[name], (query.type, limit))) as rows:  # each is read by itself
            while chars < query.chars and (row := rows.fetchone()) is not None:
                found.setdefault(row[0], WaitingPayload._make(row))
                chars += len(row[1])
    return list(found.values())

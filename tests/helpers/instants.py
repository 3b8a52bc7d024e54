"""Instants and lengths of time that tests of several parts use; which ones they are matters to none."""

from __future__ import annotations

from datetime import UTC, datetime

from aiojobs_lite.clock import MICROSECONDS

START = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = MICROSECONDS

"""Every write and every query has a handler in each store, words for a story, and a case in the conformance suite."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import aiojobs_lite.model
from aiojobs_lite.model.batches import INSERTS
from aiojobs_lite.model.ends import ENDS
from aiojobs_lite.model.steps import SaveSteps
from aiojobs_lite.model.writes import Claim
from aiojobs_lite.stores.sqlite import phases, reads
from tests.helpers import memory_reads, memory_rows, write_story
from tests.helpers.carried_out import carried_out
from tests.helpers.rings import slow

PHASES = {*ENDS, *INSERTS, Claim, SaveSteps}  # each a phase of its own
TAKEN_APART = {"Write", "Query"}


def answered() -> set[type]:
    """Every class of the model that has an answer."""
    found: set[type] = set()
    for module in pkgutil.iter_modules(aiojobs_lite.model.__path__, "aiojobs_lite.model."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and hasattr(value, "answer") and value.__name__ not in TAKEN_APART:
                found.add(value)
    return found


QUERIES = set(memory_reads.READS)
WRITES = answered() - QUERIES


def test_there_are_writes_and_queries() -> None:
    assert len(WRITES) > 12
    assert len(QUERIES) >= 3
    assert WRITES.isdisjoint(QUERIES)


@pytest.mark.parametrize("handled", [phases.WRITES, memory_rows.WRITES], ids=["sqlite", "memory"])
def test_each_store_carries_out_every_write(handled: dict[type, object]) -> None:
    assert set(handled) == WRITES - PHASES


def test_each_store_answers_every_query() -> None:
    assert set(reads.READS) == QUERIES


def test_every_write_has_words() -> None:
    assert set(write_story.WORDS) == WRITES


@slow  # it runs the whole suite once more
def test_the_conformance_suite_has_every_write_carried_out_and_every_query_answered() -> None:
    assert {kind.__name__ for kind in WRITES | QUERIES} - carried_out() == set()

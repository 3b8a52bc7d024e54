"""Whether the store can be written: what a fault changes, what proves that it is over, and what is published."""

from __future__ import annotations

import pytest

from aiojobs_lite.engine.health import Health
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from tests.helpers.engine import heard, names
from tests.helpers.fault_store import FULL, IOERR


class Desk:
    def __init__(self) -> None:
        bus = Bus()
        self.told = heard(bus)
        self.health = Health(bus=bus, listeners=[self])
        self.looks = 0

    def look_again(self) -> None:
        self.looks += 1

    def standing(self) -> tuple[bool, bool, str | None]:
        return self.health.is_degraded, self.health.is_claimable, self.health.fault


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_store_is_good_until_its_first_fault(desk: Desk) -> None:
    assert desk.standing() == (False, True, None)
    desk.health.failed(FULL, with_claim=False)
    assert desk.standing() == (True, False, "SQLITE_FULL")
    desk.health.failed(IOERR, with_claim=False)
    assert desk.standing() == (True, False, "SQLITE_IOERR_WRITE")  # the latest
    refusals = [desk.health.refusal() for _ in range(2)]
    assert refusals[0] is not refusals[1]
    assert all(isinstance(error, StoreUnavailable) and error.code == "SQLITE_IOERR_WRITE" for error in refusals)


@pytest.mark.parametrize("code", ["SQLITE_BUSY", "SQLITE_FULL", "REPLACED", "SQLITE_CORRUPT_INDEX", "ANY"])
def test_each_refused_caller_is_given_what_the_first_one_was(desk: Desk, code: str) -> None:
    fault = StoreUnavailable(code, "the database's own words")
    desk.health.failed(fault, with_claim=False)
    assert str(desk.health.refusal()) == str(desk.health.refusal()) == str(fault)
    assert vars(desk.health.refusal()) == vars(fault)


def test_the_fault_and_its_end_are_published_once_and_everything_is_looked_at_again(desk: Desk) -> None:
    desk.health.failed(FULL, with_claim=False)
    desk.health.failed(FULL, with_claim=False)
    (fact,) = desk.told()
    assert isinstance(fact, StoreDegraded)
    assert "SQLITE_FULL" in fact.reason
    assert desk.looks == 0
    desk.health.succeeded(with_claim=False)
    (fact,) = desk.told()
    assert isinstance(fact, StoreRecovered)
    assert fact.duration >= 0
    assert desk.standing() == (False, True, None)
    assert desk.looks == 1


def test_a_claim_that_failed_is_proven_by_a_claim_only(desk: Desk) -> None:
    desk.health.failed(FULL, with_claim=True)
    desk.health.succeeded(with_claim=False)
    assert desk.standing() == (True, True, "SQLITE_FULL")  # a claim may be tried
    desk.health.failed(FULL, with_claim=False)
    assert desk.standing() == (True, False, "SQLITE_FULL")
    desk.health.succeeded(with_claim=False)
    assert desk.health.is_degraded  # that the claim failed is not forgotten
    desk.health.succeeded(with_claim=True)
    assert desk.standing() == (False, True, None)
    assert names(desk.told()) == ["StoreDegraded", "StoreRecovered"]
    desk.health.failed(FULL, with_claim=False)
    desk.health.succeeded(with_claim=False)
    assert not desk.health.is_degraded  # but it is after the recovery


def test_without_anything_to_claim_it_recovers_too(desk: Desk) -> None:
    desk.health.failed(FULL, with_claim=True)
    desk.health.succeeded(with_claim=False)
    desk.health.recover()
    assert desk.standing() == (False, True, None)


def test_the_pauses_double_up_to_half_a_second_and_begin_anew_with_each_fault(desk: Desk) -> None:
    for _ in range(2):
        desk.health.failed(FULL, with_claim=False)
        assert [desk.health.lengthen_pause() for _ in range(6)] == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
        desk.health.succeeded(with_claim=False)

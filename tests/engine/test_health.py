"""Whether the store can be written: what a fault changes, what proves that it is over, and what is published."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import health as module
from aiojobs_lite.engine.health import Health
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from tests.helpers.engine import names, published_on
from tests.helpers.fault_store import FULL, IOERR


class Rig:
    def __init__(self) -> None:
        bus = Bus()
        self.published = published_on(bus)
        self.health = Health(bus=bus, listeners=[self])
        self.looks = 0

    def look_again(self) -> None:
        self.looks += 1

    def standing(self) -> tuple[bool, bool, str | None]:
        return self.health.is_degraded, self.health.is_claimable, self.health.fault


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_store_is_good_until_its_first_fault(rig: Rig) -> None:
    assert rig.standing() == (False, True, None)
    rig.health.failed(FULL, with_claim=False)
    assert rig.standing() == (True, False, "SQLITE_FULL")
    rig.health.failed(IOERR, with_claim=False)
    assert rig.standing() == (True, False, "SQLITE_IOERR_WRITE")  # the latest
    refusals = [rig.health.refusal() for _ in range(2)]
    assert refusals[0] is not refusals[1]
    assert all(isinstance(error, StoreUnavailable) and error.code == "SQLITE_IOERR_WRITE" for error in refusals)


def test_it_knows_for_how_long_it_has_been_degraded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    ages = [rig.health.age]
    for passed in (0.0, 3.0, 4.0):
        now[0] += passed
        rig.health.failed(FULL, with_claim=False)
        ages.append(rig.health.age)
    rig.health.recover()
    assert [*ages, rig.health.age] == [0.0, 0.0, 3.0, 7.0, 0.0]


@pytest.mark.parametrize("code", ["SQLITE_BUSY", "SQLITE_FULL", "REPLACED", "SQLITE_CORRUPT_INDEX", "ANY"])
def test_each_refused_caller_is_given_what_the_first_one_was(rig: Rig, code: str) -> None:
    fault = StoreUnavailable(code, "the database's own words")
    rig.health.failed(fault, with_claim=False)
    assert str(rig.health.refusal()) == str(rig.health.refusal()) == str(fault)
    assert vars(rig.health.refusal()) == vars(fault)


def test_the_fault_and_its_end_are_published_once_and_everything_is_looked_at_again(rig: Rig) -> None:
    rig.health.failed(FULL, with_claim=False)
    rig.health.failed(FULL, with_claim=False)
    (fact,) = rig.published()
    assert isinstance(fact, StoreDegraded)
    assert "SQLITE_FULL" in fact.reason
    assert rig.looks == 0
    rig.health.succeeded(with_claim=False)
    (fact,) = rig.published()
    assert isinstance(fact, StoreRecovered)
    assert fact.duration >= 0
    assert rig.standing() == (False, True, None)
    assert rig.looks == 1


def test_a_claim_that_failed_is_proven_by_a_claim_only(rig: Rig) -> None:
    rig.health.failed(FULL, with_claim=True)
    rig.health.succeeded(with_claim=False)
    assert rig.standing() == (True, True, "SQLITE_FULL")  # a claim may be tried
    rig.health.failed(FULL, with_claim=False)
    assert rig.standing() == (True, False, "SQLITE_FULL")
    rig.health.succeeded(with_claim=False)
    assert rig.health.is_degraded  # that the claim failed is not forgotten
    rig.health.succeeded(with_claim=True)
    assert rig.standing() == (False, True, None)
    assert names(rig.published()) == ["StoreDegraded", "StoreRecovered"]
    rig.health.failed(FULL, with_claim=False)
    rig.health.succeeded(with_claim=False)
    assert not rig.health.is_degraded  # but it is after the recovery


def test_without_anything_to_claim_it_recovers_too(rig: Rig) -> None:
    rig.health.failed(FULL, with_claim=True)
    rig.health.succeeded(with_claim=False)
    rig.health.recover()
    assert rig.standing() == (False, True, None)


def test_the_pauses_double_up_to_half_a_second_and_begin_anew_with_each_fault(rig: Rig) -> None:
    for _ in range(2):
        rig.health.failed(FULL, with_claim=False)
        assert [rig.health.lengthen_pause() for _ in range(6)] == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
        rig.health.succeeded(with_claim=False)

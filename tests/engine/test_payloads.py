"""The look at payloads that wait, at a start: what is reported, and that nothing comes of its failure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from aiojobs_lite import job
from aiojobs_lite.engine import payloads as module
from aiojobs_lite.engine.payloads import PayloadCheck
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.queries import SamplePayloads
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import Fact, PayloadsUnfit
from tests.helpers.engine import published_on
from tests.helpers.stores import held, inserted, new


def explode(value: int) -> int:
    raise SystemExit(value)


def look_up(value: int) -> int:
    return {7: 7}[value]


def rename(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"x": arguments["w"]}


@job
async def refuses(y: int) -> None: ...


@job(version=2, upgrade={1: rename})
async def fits(x: int) -> None: ...


@job
async def explodes(x: Annotated[int, AfterValidator(explode)]) -> None: ...


@job
async def raises(x: Annotated[int, AfterValidator(look_up)]) -> None: ...


@dataclass
class World:
    """A store, and what is asked of it.

    Attributes:
        fault: What the store raises, if anything.
    """

    memory: SqliteStore
    bus: Bus = field(default_factory=Bus)
    has_slots: bool = True
    asked: list[SamplePayloads] = field(default_factory=list)
    fault: BaseException | None = None

    def __post_init__(self) -> None:
        self.facts: Callable[[], list[Fact]] = published_on(self.bus)

    async def look(self) -> list[Fact]:
        check = PayloadCheck(
            store=self,  # type: ignore[arg-type]  # it needs no more of a store
            bus=self.bus,
            slots=self,  # type: ignore[arg-type]  # the same
        )  # fmt: skip
        await check.look([refuses, fits, explodes, raises])
        return self.facts()

    def counts(self) -> Any:
        return self.memory.counts()

    async def ask(self, query: SamplePayloads) -> Any:
        self.asked.append(query)
        if self.fault is not None:
            raise self.fault
        return await self.memory.ask(query)

    async def insert(self, job_type: str, *payloads: str) -> list[int]:
        return await inserted(self.memory, *(new(job_type)._replace(payload=payload) for payload in payloads))


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "LONGEST_OF_TYPE_S", 60.0)  # a busy machine may take more than it does
    store = SqliteStore(None)
    await store.open()
    yield World(store)
    await store.close()


async def test_each_type_with_payloads_that_do_not_fit_is_reported_once(world: World) -> None:
    first, *_ = await world.insert("refuses", '{"z":1}', '{"y":2}', '{"@version":2,"y":2}')
    (failing,) = await world.insert("fits", "{}")
    await world.insert("fits", '{"w":1}', '{"@version":2,"x":1}')
    await world.insert("strange", "{}")
    found = await world.look()
    assert [type(fact) for fact in found] == [PayloadsUnfit] * 2
    about_refuses, about_fits = map(str, found)
    assert about_refuses.startswith("unfit payloads: 2 of 3 jobs of refuses looked at, which wait. This handler does")
    assert f"The first is job {first}: y: " in about_refuses
    assert "they will be held, none is lost. Deploy an upgrade= for them, or a version that takes them" in about_refuses
    assert found[1] == PayloadsUnfit(
        "fits", 3, 1, failing, "upgrade[1]: the step from version 1 to version 2 raised KeyError('w')"
    )
    assert str(found[1]) == about_fits


@pytest.mark.parametrize(
    ("unfit", "raising", "becomes"),
    [
        (2, 0, "they will be held, none is lost"),
        (2, 1, "they will be held, none is lost, but the attempts of 1 will fail, by an error of a validator that is "
         "no ValueError"),
        (1_200, 1_200, "the attempts of 1,200 will fail, by an error of a validator that is no ValueError"),
    ],
)  # fmt: skip
def test_the_warning_says_what_becomes_of_the_jobs_and_what_to_do(unfit: int, raising: int, becomes: str) -> None:
    assert str(PayloadsUnfit("mail", 1_500, unfit, 7, "x: no integer", raising)) == (
        f"unfit payloads: {unfit} of 1,500 jobs of mail looked at, which wait. This handler does not take them: "
        f"{becomes}. Deploy an upgrade= for them, or a version that takes them, which runs them. The first is job 7: "
        "x: no integer"
    )


async def test_an_error_of_a_validator_of_any_kind_is_reported_with_what_comes_of_it(world: World) -> None:
    first, *_ = await world.insert("raises", '{"x":8}', '{"x":7}')
    (found,) = await world.look()
    assert found == PayloadsUnfit("raises", 2, 1, first, "a validator raised KeyError(8)", 1)
    assert "take them: the attempts of 1 will fail, by an error of a validator that is no ValueError. D" in str(found)
    await world.insert("raises", "{}")
    (found,) = await world.look()
    assert isinstance(found, PayloadsUnfit)
    assert (found.sampled, found.unfit, found.raising) == (3, 2, 1)
    assert "they will be held, none is lost, but the attempts of 1 will fail, by an error of a validator" in str(found)


async def test_what_fits_or_is_held_already_or_fails_otherwise_is_not_reported(world: World) -> None:
    await world.insert("fits", '{"w":1}')
    await world.insert("explodes", '{"x":1}')  # its attempts say so
    await held(world.memory, new("refuses"))
    assert await world.look() == []
    assert [query.type for query in world.asked] == ["fits", "explodes"]


async def test_a_runner_that_runs_nothing_looks_at_nothing(world: World) -> None:
    await world.insert("refuses", '{"z":1}')
    world.has_slots = False
    assert await world.look() == []
    assert world.asked == []


@pytest.mark.parametrize("fault", [StoreUnavailable("SQLITE_BUSY", "locked"), ZeroDivisionError()])
async def test_a_fault_of_the_store_ends_the_look_and_nothing_else(
    world: World, fault: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    await world.insert("refuses", '{"z":1}')
    world.fault = fault
    assert await world.look() == []
    assert "could not all be looked at; the runner starts without" in caplog.text


async def test_a_type_takes_a_moment_at_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_OF_TYPE_S", 0.0)
    await world.insert("refuses", *['{"z":1}'] * 30)
    (found,) = await world.look()
    assert isinstance(found, PayloadsUnfit)
    assert (found.sampled, found.unfit) == (1, 1)
    (query,) = world.asked
    assert (query.limit, query.chars) == (20, 65_536)

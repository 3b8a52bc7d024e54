"""The machine beside which a store is compared with the model, with durable steps, children and events."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import chain
from random import Random
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RULE_MARKER, invariant, rule

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.event_match import EventMark, EventMatch, json_values
from aiojobs_lite.model.events import (
    DeliverEvents,
    FindCancelled,
    FindEvents,
    FindStarted,
    Listener,
    NewEvent,
    PlaceHeld,
    PruneEvents,
    SendEvents,
    SetListeners,
    StepFence,
    mark_of,
    memo_of,
)
from aiojobs_lite.model.job import Claimed, Held, NewJob, Outcome, Status
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.steps import (
    GetParent,
    ListAwaited,
    ListChildren,
    ListSteps,
    NewRan,
    NewStep,
    SaveRan,
    SaveSteps,
    StartChild,
)
from aiojobs_lite.model.steps import StepKind as Kind
from aiojobs_lite.model.steps import StepState as State
from aiojobs_lite.model.writes import Release, Write
from aiojobs_lite.policy.settle import Ending, settle
from tests.helpers.instants import SECOND
from tests.helpers.model_batches import BatchesBesideModel, few
from tests.helpers.model_draws import Step, admit_of, some, steps, which_view
from tests.helpers.model_machine import POLICY
from tests.helpers.stores import FAILURE, alone


def event_step(name: str, match: EventMatch | None, after: EventMark | None = None) -> NewStep:
    """An operation that waits for an event."""
    return NewStep(name, Kind.EVENT, State.WAITING, match=match, after=after)


class Drawn(NamedTuple):
    """What some writes about operations and events are made of.

    Attributes:
        what: Which of `WRITES`.
        which: Which attempt, job or event.
        name: Of the operation.
        match: An event that is waited for, or that cancels.
        saved: Operations to be stored, each until so many seconds from then.
        until: In how many seconds a wait is over, or None.
        events: Events to be sent.
        rows: Jobs to be started.
        yes: Some choice.
    """

    what: str
    which: int
    name: str
    match: EventMatch
    saved: list[NewStep]
    until: int | None
    events: list[Any]
    rows: list[Any]
    yes: bool


EVENTS: Final = "eef"
AWAITED: Final = ("e", "e", "f", "job.cancelled")
PATTERNS: Final = (("e", "job.dead"), ("f", "*", "job.cancelled"), ("e*", "job.completed"), ())
ROW_LENGTH: Final = 6  # as `model_draws.rows` draws one
FIELDS: Final = ((), (), ("n",), ("n", "o"))
BY: Final = (
    (),
    (),
    (("two", 1),),
    (("ordered", 1),),
    (("one", 1), ("rate", 1)),
    (("a: starts by n", 1),),
)  # limits by key


class Drawing:
    """Draws writes by a number: as many as they are, hypothesis would draw few of them, and they would not meet.

    Args:
        number: The number.
    """

    def __init__(self, number: int) -> None:
        self._random = Random(number)  # no secret

    def writes(self, count: int) -> list[Drawn]:
        """What some writes are made of."""
        return [self._write() for _ in range(count)]

    def _write(self) -> Drawn:
        pick, some = self._random.choice, self._random.randrange
        return Drawn(
            pick([*OF_ATTEMPTS, *OF_OTHERS, "send", "send"]), some(8), pick("pqr"), self._match(),
            list({step.name: step for step in (self._step() for _ in range(some(4)))}.values()),
            pick([None, None, *range(-2, 10)]), [self._event() for _ in range(some(3))],
            [self._row() for _ in range(some(3))], pick([True, False]),
        )  # fmt: skip

    def _match(self) -> EventMatch:
        paths = self._random.choice(FIELDS)
        return EventMatch(self._random.choice(AWAITED), paths, json_values([self._random.randrange(2)] * len(paths)))

    def _step(self) -> NewStep:
        name, kind = self._random.choice("pqr"), self._random.randrange(8)
        if kind < 3:
            return event_step(name, self._match())._replace(until=self._random.choice([None, 5, 40]))
        return (
            NewStep(name, Kind.RUN, State.WAITING, None, '"busy"', 1, self._random.choice([3, 40])),
            NewStep(name, Kind.SLEEP, State.WAITING, until=self._random.choice([3, 40])),
            NewStep(name, Kind.RUN, State.DONE, self._random.choice([None, "1"]), None, 1),
            NewStep(name, Kind.RUN, State.FAILED, None, '"no"', 3),
            NewStep(name, Kind.CHILD, State.FAILED, "null"),
        )[kind - 3]

    def _event(self) -> tuple[Any, ...]:
        some = self._random.randrange
        key = self._random.choice([None, None, None, "k", "l"])
        starts = [self._row() for _ in range(max(0, some(4) - 1))]
        return self._random.choice(EVENTS), some(2), some(2), some(6) - 3, key, starts

    def _row(self) -> tuple[Any, ...]:
        """As `model_draws.candidates` draws it."""
        pick = self._random.choice
        return (
            pick("abc"), pick([1, 2]), pick(range(-3, 5)), pick([None, None, None, "k", "l"]),
            pick([None, (1, "pending"), (1, "unfinished"), (2, "unfinished")]),
            pick(["return", "append", "raise", "replace"]), pick([True, False]), pick([None, None, 3, 9]),
            pick([None, None, None, 2]), pick([None, None, 1, 4]), 1, pick(BY), Capacity(3, 999), pick([1, 1, 2]),
            pick([0, 0, 6]),
        )  # fmt: skip


class DurableBesideModel(BatchesBesideModel):
    """The same with operations, which wait for events and for jobs."""

    has_limits = True

    def __init__(self) -> None:
        self.unreadable: set[int] = set()  # jobs that were held for their payload
        super().__init__()

    def with_cancels(self, drawn: list[Any], cancel_on: tuple[EventMatch, ...]) -> tuple[Candidate, ...]:
        """Candidates as they were drawn, which events cancel."""
        return tuple([row._replace(cancel_on=cancel_on) for row in admit_of(self.limited(drawn), self.now).rows])

    def limited(self, drawn: list[Any]) -> list[Any]:
        """What was drawn of jobs, with limits by key or without."""
        if self.has_limits:
            return drawn
        places = [5 if len(one) == ROW_LENGTH else 11 for one in drawn]
        return [(*one[:place], (), *one[place + 1 :]) for one, place in zip(drawn, places, strict=True)]

    def events_of(self, drawn: list[Any], cancel_on: tuple[EventMatch, ...]) -> tuple[NewEvent, ...]:
        """Events as they were drawn."""
        return tuple(
            [
                NewEvent(
                    name, f'{{"n": {number}, "o": {other}}}', self.now + at * SECOND, key,
                    self.with_cancels(starts, cancel_on),
                )
                for name, number, other, at, key, starts in drawn
            ]
        )  # fmt: skip

    # Of attempts.

    def suspended(self, held: Claimed, drawn: Drawn, *names: str) -> Again:
        """The end of an attempt that is suspended."""
        until = drawn.until
        when, why = (self.now, Held.EVENT) if until is None else (self.now + until * SECOND, None)
        return Again(
            held.id, held.attempt, held.owner, held.type, Outcome.SUSPENDED, when, True, held=why, waits_for=names,
            restarts=drawn.yes and bool(drawn.saved),
        )  # fmt: skip

    def save(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        attempt = held.attempt + (drawn.which == 7)
        return [SaveSteps(held.id, attempt, held.owner, tuple(map(self.at_instant, drawn.saved)))]

    def ran(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        """A step of a job that has no operation yet: else its writer would not know the place."""
        if self.twins.model.database.rows.durable.has_steps(held.id) or held.id in self.about_to_have_steps():
            return self.save(held, drawn)
        attempt = held.attempt + (drawn.which == 7)
        return [SaveRan([NewRan(held.id, attempt, held.owner, drawn.name, "1", 1)])]

    def at_instant(self, step: NewStep) -> NewStep:
        """An operation whose end was drawn in seconds from now."""
        return step if step.until is None else step._replace(until=self.now + step.until * SECOND)

    def about_to_have_steps(self) -> set[int]:
        """The jobs for which the open transaction stores operations."""
        found: set[int] = set()
        for write in chain.from_iterable(self.units):
            if isinstance(write, SaveSteps | StartChild):
                found.add(write.id)
            elif isinstance(write, SaveRan):
                found.update(step.id for step in write.steps)
            elif isinstance(write, SendEvents) and write.step is not None:
                found.add(write.step.id)
        return found

    def suspend(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        return [*self.save(held, drawn), self.suspended(held, drawn, *{step.name for step in drawn.saved}, drawn.name)]

    def wait_for_event(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        waiting = event_step(drawn.name, drawn.match, self.an_event(drawn))
        save = SaveSteps(held.id, held.attempt, held.owner, (waiting,))
        return [save, self.suspended(held, drawn, drawn.name)]

    def an_event(self, drawn: Drawn) -> EventMark | None:
        """An event behind which a wait is: one that was sent, or one that is not there (any more), or none."""
        events = list(self.twins.model.database.rows.durable.events.values())
        if not drawn.yes:
            return None
        if drawn.which >= len(events):
            return EventMark("k", self.now - SECOND)
        return mark_of(memo_of(events[drawn.which]))

    def fail(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        """An attempt that fails beside what it waits for."""
        failed = settle(held, Ending(error=ValueError("no"), failure=FAILURE), POLICY, self.now, chance=lambda: 0.5)
        return [*self.wait_for_event(held, drawn)[:1], failed]

    def start(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        (child,) = self.with_cancels(drawn.rows[:1], (drawn.match,) * drawn.yes) or (None,)
        child = child or Candidate(NewJob("a", "{}", 1, self.now, 2, self.now))
        return [StartChild(held.id, held.attempt, held.owner, drawn.name, child, drawn.which > 0)]

    def wait_for_child(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        return [*self.start(held, drawn), self.suspended(held, drawn, drawn.name)]

    def send_for_step(self, held: Claimed, drawn: Drawn) -> list[Write[Any]]:
        fence = StepFence(held.id, held.attempt, held.owner, drawn.name)
        return [SendEvents(self.events_of(drawn.events, ()), step=fence)]

    # Of others.

    def send(self, drawn: Drawn) -> list[Write[Any]]:
        knows = "abc"[: drawn.which % 4]
        return [SendEvents(self.events_of(drawn.events, (drawn.match,) * drawn.yes), frozenset(knows))]

    def deliver(self, _drawn: Drawn) -> list[Write[Any]]:
        return [DeliverEvents()]

    def listen(self, drawn: Drawn) -> list[Write[Any]]:
        listener = Listener("abc"[drawn.which % 3], PATTERNS[drawn.which % 4], drawn.which % 3, 2)
        return [SetListeners((listener,))]

    def place(self, drawn: Drawn) -> list[Write[Any]]:
        found = [job.id for job in self.jobs.values() if job.held is Held.LISTENER] or [self.a_job(drawn.which)]
        places = self.with_cancels(drawn.rows[:1], (drawn.match,) * drawn.yes) or (None,)
        return [PlaceHeld(found[drawn.which % len(found)], places[0])]

    def prune_some(self, drawn: Drawn) -> list[Write[Any]]:
        return [PruneEvents(self.now - (drawn.until or 0) * SECOND, drawn.which)]

    def admit_some(self, drawn: Drawn) -> list[Write[Any]]:
        return [Admit(self.with_cancels(drawn.rows, (drawn.match,)))]

    def made_of(self, drawn: Drawn) -> list[Write[Any]]:
        """The writes that were drawn."""
        if drawn.what in OF_ATTEMPTS:
            return OF_ATTEMPTS[drawn.what](self, self.one_held(drawn.which), drawn) if self.held else []
        return OF_OTHERS[drawn.what](self, drawn)

    def work(self, drawn: list[Drawn], step: Step) -> None:
        """Carries out what was drawn; the last as the step says, the others each in a transaction of its own."""
        for number, one in enumerate(drawn):
            writes = self.made_of(one)
            for index, write in enumerate(writes):
                is_last = index == len(writes) - 1
                joins = index > 0 and bool(self.last_unit)
                then = step.then if is_last and (number < len(drawn) - 1 or step.then) else None
                self.put(write, Step(joins, then))

    def put(self, write: Write[Any], step: Step) -> None:
        if isinstance(write, Again) and write.held is Held.PAYLOAD:
            self.unreadable.add(write.id)
        super().put(write, step)

    @rule(view=which_view, name=st.sampled_from([None, "e", "f"]), before=st.none() | some, limit=few)
    def find_events(self, view: int, name: str | None, before: int | None, limit: int) -> None:
        store = self.twins.views[view]
        behind = None if before is None else (self.now - before * SECOND, 3)
        self.twins.ask(FindEvents(name=name, before=behind, limit=limit), store)
        self.twins.ask(FindEvents(ids=[1, 2, 4], name=name), store)
        self.twins.ask(FindStarted(1 + limit % 3), store)
        self.twins.ask(FindCancelled(name or "e", f'{{"n": {limit % 2}, "o": 0}}', before or 0, limit), store)

    @invariant()
    def operations_are_known(self) -> None:
        """A pending job that has operations has a counter, by which its next attempt knows of them; but for one whose
        handler could not be called, which the machine has store operations before all the same.
        """
        durable = self.twins.model.database.rows.durable
        for job in self.jobs.values():
            if job.status is Status.PENDING and durable.has_steps(job.id) and job.id not in self.unreadable:
                assert job.attempts or job.snoozes or job.interruptions or job.crashes
            assert job.crashes <= job.attempts or not durable.has_steps(job.id), "each crash has used an attempt"

    def everything_ends(self, view: int = 0) -> None:
        """What is held for events is released, and events reach all; no type listens any more."""
        self.commit([(SetListeners(tuple([Listener(job_type, (), 1, 2) for job_type in "abc"])),)], view)
        while self.twins.model.database.rows.durable.unreached:
            self.commit([(DeliverEvents(),)], view)
        self.commit(alone([Release(tuple(self.jobs), reason) for reason in (Held.EVENT, Held.LISTENER)]), view)
        super().everything_ends(view)
        durable = self.twins.model.database.rows.durable
        assert not durable.waits
        assert not durable.awaited
        for job_id in self.jobs:
            for query in (ListSteps(job_id), ListAwaited(job_id), ListChildren(job_id), GetParent(job_id)):
                self.twins.ask(query, self.twins.views[view])


OF_ATTEMPTS: Final[dict[str, Callable[[Any, Claimed, Drawn], list[Write[Any]]]]] = {
    "save": DurableBesideModel.save,
    "ran": DurableBesideModel.ran,
    "suspend": DurableBesideModel.suspend,
    "wait for an event": DurableBesideModel.wait_for_event,
    "fail": DurableBesideModel.fail,
    "start": DurableBesideModel.start,
    "wait for a child": DurableBesideModel.wait_for_child,
    "send for a step": DurableBesideModel.send_for_step,
}
OF_OTHERS: Final[dict[str, Callable[[Any, Drawn], list[Write[Any]]]]] = {
    "send": DurableBesideModel.send,
    "deliver": DurableBesideModel.deliver,
    "listen": DurableBesideModel.listen,
    "place": DurableBesideModel.place,
    "prune": DurableBesideModel.prune_some,
    "admit": DurableBesideModel.admit_some,
}
KEPT: Final = (
    "insert", "claim_much", "end_simply", "cancel", "redrive", "delete", "clock", "crash", "look", "release",
    "set_back", "work_of_steps",
)  # fmt: skip


class StepsBesideModel(DurableBesideModel):
    """The machine with all of it."""

    @rule(count=st.integers(1, 12), number=st.integers(0, 2**32), step=steps)
    def work_of_steps(self, count: int, number: int, step: Step) -> None:
        self.work(Drawing(number).writes(count), step)

    @classmethod
    def on_steps_alone(cls) -> type[StepsBesideModel]:
        """The machine without limits, and with few of the other rules: what is drawn meets each other often."""
        others = {name: None for name, member in inspect.getmembers(cls) if hasattr(member, RULE_MARKER)}
        kept = {name: getattr(cls, name) for name in KEPT}
        return type("StepsAlone", (cls,), others | kept | {"has_limits": False})

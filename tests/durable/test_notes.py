"""The notes of a run: what is remembered beside its operations."""

from __future__ import annotations

from aiojobs_lite.durable.driver import Answer
from aiojobs_lite.durable.notes import NO_END, RUN_END, LastEnd, Sets, end_of, is_note, note_end, notes_of
from aiojobs_lite.durable.operations import Operation, RunReturned, StepPlanned, StepRan, WaitForEvent
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from aiojobs_lite.telemetry.facts import StepsSkipped
from aiojobs_lite.testing import JobKit
from tests.helpers.remote import Asked, Rig, next_of, ran, returned


def row(name: str, memo: str | None = "1", kind: StepKind = StepKind.RUN, state: StepState = StepState.DONE) -> StepRow:
    """An operation as it is stored."""
    return StepRow(name, kind, state, memo, None, 1, None, 5, None if state is StepState.WAITING else 9, 1)


async def test_a_driver_has_notes_stored_with_its_answer_and_is_given_them_back(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        if asked.notes:
            return returned(asked)
        return [StepRan("~if a", '"x > 1"'), StepPlanned("a"), ran("b"), StepRan("~more", "2")]

    def answer(asked: Asked) -> Answer:
        return script(asked) if asked.target is None else [ran(asked.target), StepRan("~if a", '"x > 2"')]

    rig = Rig(job_kit, answer)
    async with job_kit(rig.runner):
        facts = rig.runner.watch()
        handle = await rig.runner.enqueue(rig.flow)
        assert await handle.result() == {"b": {"data": 1}, "a": {"data": 1}}
        assert not [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]
    assert [dict(asked.notes) for asked in rig.remote.asked] == [{}, *[{"~if a": '"x > 1"', "~more": "2"}] * 2]
    assert rig.remote.calls == ["? 0", "a 0", "? 0"]


async def test_a_note_that_comes_alone_is_not_stored_and_brings_nothing_on(job_kit: JobKit) -> None:
    more = [StepRan("~b", "1"), ran("a")]
    rig = Rig(job_kit, next_of([StepRan("~a", "1")], [StepRan("~a", "1")], more, RunReturned()))
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "? 2", "? 0"]
    assert {attempt.error_type for attempt in job.history} == {"InvalidAnswer"}
    assert [dict(asked.notes) for asked in rig.remote.asked] == [{}, {}, {}, {"~b": "1"}]


async def test_notes_are_stored_with_their_operations_or_not_at_all(job_kit: JobKit) -> None:
    match = EventMatch("e")
    answers: list[list[Operation]] = [[StepRan("~if w", "1"), WaitForEvent("w", match), StepPlanned("s" * 10)]]
    rig = Rig(job_kit, lambda asked: answers[0] if asked.target is None else returned(asked))
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await handle.result()
        steps = await rig.runner.jobs.steps(handle.id)
    assert [step.name for step in steps] == ["~if w", "w", "s" * 10, "~set"]


def test_the_notes_of_a_driver_are_those_that_are_not_of_the_library() -> None:
    rows = [
        row("a"),
        row("~if a", '"x"'),
        row(RUN_END),
        row("~set"),
        row("~set#2"),
        row("~deadline", "null"),
        row("~w", None),
    ]
    assert notes_of(rows) == {"~if a": '"x"'}
    assert [is_note(one.name) for one in rows] == [False, *[True] * 6]


def test_the_end_of_a_run_is_noted_word_for_word() -> None:
    assert end_of(None) is None
    for result, noted in (("1.0", "1.0"), (None, "null")):
        note = note_end(RunReturned(result))
        assert end_of(row(note.name, note.memo)) == RunReturned(noted)


def test_what_is_noted_of_sets_is_read_back() -> None:
    written, read = Sets(), Sets()
    notes = [
        *written.note(["a", "b"], ["b", "other"], calls_each=False),
        *written.note(["c"], [], calls_each=False),
        *written.note(["d"], ["d"], calls_each=False),
        *written.note(["a", "b"], ["b"], calls_each=False),
        *written.note([], [], calls_each=True),
    ]
    assert [note.name for note in notes] == ["~set", "~set#2"]
    read.read([row(note.name, note.memo) for note in notes])
    for sets in (written, read):
        assert [name for name in "abcd" if sets.has(name)] == ["a", "b", "d"]
        assert [name for name in "abcd" if sets.is_raced(row(name))] == ["b", "d"]
        assert not sets.calls_each
    found = row("c", None, StepKind.RUN, StepState.WAITING)
    assert read.is_raced(found)
    assert not Sets().is_raced(found)
    (each,) = written.note(["e", "f"], [], calls_each=True)
    assert written.has("c")
    read.read([row(each.name, each.memo)])
    assert read.is_raced(row("c"))
    assert each.name == "~set#3"


def test_an_operation_has_ended_since_another_by_its_place_or_by_its_instant() -> None:
    """A redrive gives places again, and a clock is set back."""
    last = LastEnd(5, 9)
    ended = [row("a")._replace(place=place, ended_at=at) for place, at in ((5, 9), (6, 9), (6, 1), (2, 10), (4, 8))]
    assert [last.is_before(one) for one in ended] == [False, True, True, True, False]
    assert not last.is_before(row("w", None, state=StepState.WAITING)._replace(place=None))
    sets = Sets()
    assert sets.find_last_end(ended) == NO_END
    sets.note(["a", "b"], ["a"], calls_each=False)
    assert sets.find_last_end(ended) == (6, 10)
    assert sets.find_last_end([]) == NO_END

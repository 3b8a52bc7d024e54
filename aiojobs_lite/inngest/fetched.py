"""What an SDK fetches of a run by itself, because its call would be too large: as the call has it."""

from __future__ import annotations

from aiojobs_lite.durable.notes import is_note, notes_of
from aiojobs_lite.inngest import raw_json
from aiojobs_lite.inngest.call import event_texts, step_texts
from aiojobs_lite.inngest.conditions import find_unfit
from aiojobs_lite.inngest.run_errors import AskStore, errors_of_children
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.steps import ListSteps


async def actions_text(ask: AskStore, job: Job) -> str:
    """The memos of the steps that have ended, as a JSON object.

    Args:
        ask: Asks the store.
        job: The job of the run.

    Raises:
        ValueError: If it is none of a run.
    """
    rows = await ask(ListSteps(job.id))
    ended = sorted(
        [row for row in rows if row.place is not None and not is_note(row.name)], key=lambda row: row.place or 0
    )
    unfit = find_unfit(ended, notes_of(rows), event_texts(job.payload_json)[0])
    fit = [row for row in ended if row.name not in unfit]
    return raw_json.object_of(step_texts(fit, await errors_of_children(ask, job.id, fit)))


def batch_text(job: Job) -> str:
    """The events, as a JSON array.

    Raises:
        ValueError: If it is no job of a run.
    """
    return f"[{','.join(event_texts(job.payload_json))}]"

"""A job as a line of Python or of a shell, to be copied: it enqueues the same again."""

from __future__ import annotations

import json
import shlex

from aiojobs_lite.model.job import Job

_NOT_WHOLE = "the payload is too long to be shown as a call"
_LONGEST_CHARS = 4_000


def as_python(job: Job, payload: str) -> str:
    """The call that enqueues a job again. `payload` is what the page shows of it."""
    arguments = _arguments(payload)
    if arguments is None:
        return f"# {_NOT_WHOLE}"
    are_names = all(name.isidentifier() for name in arguments)
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) if are_names else f"**{arguments!r}"
    return f"await runner.enqueue_named({job.type!r}{', ' if arguments else ''}{given if arguments else ''})"


def as_command(job: Job, shown: str) -> str:
    """The command that enqueues a job again; `MODULE:RUNNER` is where the application has its runner."""
    arguments = _arguments(shown)
    if arguments is None:
        return f"# {_NOT_WHOLE}"
    payload = shlex.quote(json.dumps(arguments))
    return f"aiojobs-lite enqueue {shlex.quote(job.type)} --payload {payload} --from MODULE:RUNNER"


def _arguments(payload: str) -> dict[str, object] | None:
    if len(payload) > _LONGEST_CHARS:
        return None
    try:
        found = json.loads(payload)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

"""The runner cannot be used now, or from this event loop, thread or process."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class RunnerError(AiojobsError, RuntimeError):
    """The runner cannot be used now, or from this event loop, thread or process."""


class RunnerNotStarted(RunnerError):
    """The runner was used before it was started."""

    def __init__(self) -> None:
        super().__init__(
            "the runner is not started. Use it inside `async with runner:` (the application's lifespan); in a test "
            "inside `async with job_kit(runner):`, or with a TestClient, which enters the lifespan, after "
            "`job_kit.replace(runner)`; in a process that has no event loop, such as a worker of a WSGI server, "
            "enqueue by a JobClient."
        )


class RunnerAlreadyStarted(RunnerError):
    """The runner was started twice, or changed while it runs."""

    def __init__(self, action: str | None = None, advice: str = "") -> None:
        problem = (
            f"the runner is started and cannot be {action} now. Do it before `async with runner:`. {advice}".rstrip()
        )
        if action is None:
            problem = (
                "the runner is started, and is to be entered once: in the application's lifespan, say. In a test use "
                "`job_kit.replace(runner)` with a TestClient, which enters it, or `job_kit(runner)` without one."
            )
        super().__init__(problem)


class RunnerClosed(RunnerError):
    """The runner was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("the runner is closed and does nothing more. Enter it again: `async with runner:`.")


class ClientClosed(RunnerError):
    """The client was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("the client is closed. Use it inside `with client:`, which opens it again.")


class WrongEventLoop(RunnerError):
    """The runner was used from another event loop, thread or process than the one that started it."""

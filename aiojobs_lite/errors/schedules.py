"""About one schedule."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class ScheduleError(AiojobsError):
    """The base class of the errors about one schedule.

    Attributes:
        schedule: Its name.
    """

    def __init__(self, schedule: str, message: str) -> None:
        self.schedule = schedule
        super().__init__(message)


class ScheduleNotFound(ScheduleError, LookupError):
    """The database has no schedule of this name."""

    def __init__(self, schedule: str) -> None:
        advice = "See `schedules.list()` of the runner or the client; make one by `schedules.put(...)`."
        super().__init__(schedule, f"there is no schedule {schedule!r}: never made, or deleted. {advice}")


class ScheduleTaken(ScheduleError):
    """The name is that of another schedule: code declares one of the two, the other one was made at run time. Nothing
    was written.

    Attributes:
        is_declared: Whether the other one is declared, or was made at run time.
    """

    def __init__(self, schedule: str, *, is_declared: bool) -> None:
        self.is_declared = is_declared
        problem = (
            "code declares a schedule of this name. Choose another one; if no program declares it any more, "
            "`schedules.delete(...)` takes it out of the database"
            if is_declared
            else "the schedule of this job type cannot be stored, because one of its name was made at run time. Give "
            "the job type another name, or delete the other schedule first, from another runner or a JobClient"
        )
        super().__init__(schedule, f"schedule {schedule!r}: {problem}.")

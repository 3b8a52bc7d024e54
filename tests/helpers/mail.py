"""Job types of many tests of the runner."""

from __future__ import annotations

from aiojobs_lite import job


@job(name="email.welcome")
async def welcome(user_id: int, email: str = "unknown@example.org") -> str:
    return f"{user_id} {email}"


@job
async def other() -> None: ...


@job(max_attempts=1)
async def dies(n: int = 0) -> None:
    raise ValueError(f"number {n}")

"""Calls to the warehouse."""

import httpx

from aiojobs_lite import Abandon, JobContext, Jobs, Retry, injected

from . import settings

jobs = Jobs()


@jobs.job(name="webhooks.announce", max_attempts=10, timeout="30s", concurrency=5)
async def announce(order: int, article: str, *, ctx: JobContext = injected, http: httpx.AsyncClient = injected) -> None:
    body, headers = {"order": order, "article": article}, {"Idempotency-Key": ctx.key}
    response = await http.post(settings.WAREHOUSE, json=body, headers=headers)
    code, wait = response.status_code, response.headers.get("Retry-After")
    if response.is_error and wait:
        raise Retry(f"the warehouse answered {code}", after=wait)  # a number of seconds, or a date
    if response.is_client_error and code not in {408, 429}:
        raise Abandon(f"the warehouse answered {code}")
    response.raise_for_status()

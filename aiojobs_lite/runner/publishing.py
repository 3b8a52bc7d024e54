"""`runner.publish`: deliveries over HTTP, enqueued as any other job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Unpack

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import InvalidOption, UnknownJobType
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.handlers.job_type import BoundJob
from aiojobs_lite.handlers.publish import Publish, PublishOptions, publish_of
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.handlers.requests import DELIVERY, DeliveryType
from aiojobs_lite.model.delivery import DeliveryResult
from aiojobs_lite.policy.catch_up import CatchUp, Overlap
from aiojobs_lite.runner.client_handle import ClientHandle
from aiojobs_lite.runner.client_schedules import ClientSchedules
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.schedules import SchedulePut, Schedules

_MISSING = "Add the deliveries of aiojobs_lite.http to its job types: jobs=[Http(), ...]."


class Publisher:
    """Publishes to URLs: `runner.publish`.

    Args:
        registry: Has the job type of deliveries.
        enqueue_many: Makes jobs durable.
    """

    def __init__(
        self, registry: Registry, enqueue_many: Callable[[Iterable[BoundJob[Any]]], Awaitable[list[JobHandle[Any]]]]
    ) -> None:
        self._registry = registry
        self._enqueue_many = enqueue_many

    async def __call__(self, url: str, /, **options: Unpack[PublishOptions]) -> JobHandle[DeliveryResult]:
        """Has a request delivered to a URL; returns after the commit.

        Args:
            url: Where it goes.
            **options: Those that `aiojobs_lite.handlers.publish.PublishOptions` describes: `json`, `content`, `form`,
                `method`, `headers`, `secret_headers`, `secret_body`, `delay`, `at`, `max_attempts`, `backoff`,
                `timeout`, `callback`, `failure_callback`, `idempotency_key`, `label`, `priority`, `metadata`, `rules`.

        Returns:
            A handle, by which the answer can be awaited.

        Raises:
            InvalidOption: If the URL or an option cannot work.
            UnknownJobType: If the runner has no deliveries, `JobRunner(jobs=[Http()])`.
            PayloadTooLarge: If it is larger than deliveries may be.
            EnqueueError: As of `enqueue`.
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, it may be published.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        (handle,) = await self._enqueue_many(bound_of(self._registry, [publish_of(url, options)]))
        return handle

    async def many(self, publishes: Iterable[Publish]) -> list[JobHandle[DeliveryResult]]:
        """Has many requests delivered, all or none, in one transaction.

        Returns:
            One handle each, in their order.

        Raises:
            InvalidOption: If one is no `Publish`, or cannot be delivered.
            EnqueueError: As of `enqueue`.
        """
        return await self._enqueue_many(bound_of(self._registry, publishes))


class CronPublisher:
    """Publishes to URLs by the clock: `runner.publish_cron`.

    Args:
        registry: Has the job type of deliveries.
        schedules: Of the runner.
    """

    def __init__(self, registry: Registry, schedules: Schedules) -> None:
        self._registry = registry
        self._schedules = schedules

    async def __call__(
        self,
        name: str,
        expression: str | CronSchedule,
        url: str,
        /,
        *,
        tz: str = "UTC",
        catch_up: CatchUp = "latest",
        overlap: Overlap = "skip",
        jitter: Duration | None = None,
        **options: Unpack[PublishOptions],
    ) -> SchedulePut:
        """Has a request delivered to a URL at each tick of a schedule, which it makes, or replaces wholly. Each runner
        with `Http()` fires it; `runner.schedules` shows and steers it, and says more.

        Args:
            name: The name of the schedule.
            expression: Five fields, or six with the seconds first; an interval, `every("45m")`; or a
                `CronSchedule`, which has its own zone.
            url: Where each delivery goes.
            tz: Time zone in which the expression is read.
            catch_up: What becomes of ticks that were missed; see `@runner.cron`.
            overlap: What becomes of a tick while the delivery of the one before is not finished: with `skip` it makes
                none.
            jitter: Each tick fires up to so much later; see `@runner.cron`.
            **options: Those of `publish`, but for `at` and `idempotency_key`.

        Raises:
            InvalidSchedule: If the expression or the zone cannot work.
            InvalidOption: If the URL or an option cannot work.
            UnknownJobType: If the runner has no deliveries, `JobRunner(jobs=[Http()])`.
            PayloadTooLarge: If a delivery is larger than deliveries may be.
            ScheduleTaken: If code declares a schedule of this name.
            StoreUnavailable: If the database cannot be written now.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        (job,) = bound_of(self._registry, [publish_of(url, options)])
        return await self._schedules.put(
            name, expression, job, tz=tz, catch_up=catch_up, overlap=overlap, jitter=jitter
        )


def bound_of(registry: Registry, publishes: Iterable[Publish]) -> list[BoundJob[DeliveryResult]]:
    """The jobs of what is published.

    Raises:
        UnknownJobType: If there are no deliveries among the job types.
        InvalidOption: If one is no `Publish`, or cannot be delivered.
    """
    given = check_each("publishes", publishes, "Publish(...)")
    delivery = registry.find(DELIVERY)
    if not isinstance(delivery, DeliveryType):
        raise UnknownJobType(DELIVERY, registry.names(), _MISSING)
    for place, one in enumerate(given):
        if not isinstance(one, Publish):
            raise InvalidOption(f"publishes[{place}]", one, "a Publish(url, ...)")
    return [delivery.request(one).bind() for one in given]


class ClientPublishing:
    """The half of a client that publishes."""

    _registry: Registry

    @property
    def schedules(self) -> ClientSchedules:
        """See `JobClient`."""
        raise NotImplementedError

    def enqueue_many(self, jobs: Iterable[BoundJob[Any]]) -> list[ClientHandle]:
        """See `JobClient.enqueue_many`."""
        raise NotImplementedError

    def publish(self, url: str, /, **options: Unpack[PublishOptions]) -> ClientHandle:
        """Has a request delivered to a URL, by a runner with `Http()`; returns after the commit. See `runner.publish`.

        Raises:
            InvalidOption: If the URL or an option cannot work.
            UnknownJobType: If the client has no deliveries, `JobClient(jobs=[Http()])`.
            StoreUnavailable: If the database cannot be used now. If the commit itself failed, it may be published.
        """
        (handle,) = self.publish_many([publish_of(url, options)])
        return handle

    def publish_many(self, publishes: Iterable[Publish]) -> list[ClientHandle]:
        """Has many requests delivered, all or none, in one transaction; see `publish`."""
        return self.enqueue_many(bound_of(self._registry, publishes))

    def publish_cron(
        self,
        name: str,
        expression: str | CronSchedule,
        url: str,
        /,
        *,
        tz: str = "UTC",
        catch_up: CatchUp = "latest",
        overlap: Overlap = "skip",
        jitter: Duration | None = None,
        **options: Unpack[PublishOptions],
    ) -> SchedulePut:
        """Has a request delivered to a URL at each tick of a schedule, by the runners; see `runner.publish_cron`."""
        (job,) = bound_of(self._registry, [publish_of(url, options)])
        return self.schedules.put(name, expression, job, tz=tz, catch_up=catch_up, overlap=overlap, jitter=jitter)

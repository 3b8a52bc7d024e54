"""What a runner reports to the systems that watch applications: traces, metrics, errors.

Each part needs an extra: `otel`, `prometheus` or `sentry`. Importing this package loads nothing of them.
"""

from aiojobs_lite.observe.metrics import metrics_app
from aiojobs_lite.observe.sentry import SentryJobs
from aiojobs_lite.observe.tracing import Tracing

__all__ = ["SentryJobs", "Tracing", "metrics_app"]

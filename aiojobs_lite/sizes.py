"""How long a text and how large a value may be that the library stores or shows. Each limit stands in this table alone.

What names a thing (a type, a key, a label) is refused when it is too long, for a shortened name is another name. What
a person reads (a reason, a message, a traceback) is shortened.
"""

from __future__ import annotations

from typing import Final

# Refused beyond: what is enqueued, declared or returned.

LARGEST_PAYLOAD_BYTES: Final = 256 * 1024
"""Of the arguments of a job, as JSON; default of `@job(largest_payload=...)`."""

LARGEST_RESULT_BYTES: Final = 256 * 1024
"""Of what a handler returns, as JSON; default of `@job(largest_result=...)`."""

LARGEST_DRIVEN_RESULT_BYTES: Final = 4 * 1024 * 1024
"""Of what one step of a run gives that a driver runs by calls, or the run returns, as JSON."""

LARGEST_DRIVEN_STATE_BYTES: Final = 32 * 1024 * 1024
"""Of what all steps of such a run give."""

LARGEST_VALUE_BYTES: Final = 64 * 1024 * 1024
"""The most that both options take: a value is written and read on the event loop, in about 10 ms a MiB."""

MOST_DIGITS: Final = 4_300
"""Of a whole number: pydantic, and Python by its default, read no longer ones from text."""

LARGEST_VERSION: Final = 1_000_000
"""Of the arguments of a job type: `@job(version=...)`."""

MOST_ITEMS: Final = 10_000
"""Of one micro-batch: `Batch(size, ...)`."""

LONGEST_TYPE_NAME_CHARS: Final = 200
LONGEST_IDEMPOTENCY_KEY_CHARS: Final = 500
LONGEST_KEY_CHARS: Final = 500
"""Of what `Unique` and the other options with a key make of a payload, as JSON."""

LONGEST_LABEL_CHARS: Final = 200
LONGEST_LIMIT_NAME_CHARS: Final = 200
LONGEST_SCHEDULE_NAME_CHARS: Final = 200

LONGEST_LIMIT_KEY_CHARS: Final = 500
"""Of what a limit or a rate counts by, as JSON, such as `"eu-1"` or `[7,"pdf"]`."""

MOST_AFTER: Final = 1_000
"""Jobs that one job runs after; a batch may have any number."""

LARGEST_METADATA_BYTES: Final = 16 * 1024
"""Of what `using(metadata=...)` gives, as JSON."""

LONGEST_MESSAGE_ID_CHARS: Final = 200
"""Of the id by which a receiver of signed messages knows a repeat."""

LARGEST_SIGNED_BODY_BYTES: Final = 1024 * 1024
"""Of the body of a signed message that a receiver reads; default of `largest_body=`."""

LARGEST_DETAILS_BYTES: Final = 128 * 1024
"""Of what `Retry(details=...)` and `Abandon(details=...)` give, as JSON; beyond, the attempt has none."""

LONGEST_PROGRESS_CHARS: Final = 500
"""What a handler says that it does, by `ctx.progress`."""

LARGEST_DELIVERED_BODY_BYTES: Final = 1024 * 1024
"""Of a delivery; default of `Http(largest_body=...)`."""

LARGEST_DOCUMENT_BYTES: Final = 256 * 1024
"""Of what a document of `runner.documents` says, as JSON."""

LONGEST_DOCUMENT_NAME_CHARS: Final = 500
"""Of the kind of a document, and of its name."""

LARGEST_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Of a request with a body of JSON to the QStash API, such as a batch; default of `qstash_app(largest_request=...)`."""

LONGEST_URL_CHARS: Final = 4_000
"""Of a delivery."""

MOST_HEADERS: Final = 100
"""Of a delivery, the secret ones among them."""

LARGEST_HEADERS_BYTES: Final = 16 * 1024
"""Of a delivery, names and values together."""

# Shortened beyond: what is recorded for a person.

LONGEST_PAUSE_BY_CHARS: Final = 200
"""Who paused a type."""

LONGEST_REASON_CHARS: Final = 2_000
"""Why a job is dead, cancelled, held or snoozed, or why its result was not kept."""

LONGEST_ERROR_TYPE_CHARS: Final = 200
LONGEST_MESSAGE_CHARS: Final = 2_000
LONGEST_TRACEBACK_CHARS: Final = 20_000
"""Of a traceback or a stack; its end is kept."""

LONGEST_LOG_LINE_CHARS: Final = 1_000
"""Of `ctx.log`."""

MOST_LOG_LINES: Final = 1_000
"""Of a job, over all its attempts; the newest are kept."""

MOST_TROUBLES_REPORTED: Final = 200
"""Stuck handlers that a runner reports to other processes; the oldest. More are counted."""

MOST_PLACES_REPORTED: Final = 20
"""Places in code at which they are stuck."""

LARGEST_REPORT_BYTES: Final = 128 * 1024
"""Of such a report, as it is read."""

MOST_ATTEMPTS_KEPT: Final = 100
"""Rows of one outcome in the history of a job, such as its snoozes; the newest are kept. Its counters go on."""

# Shortened beyond: what stands in the text of an error or in a log line.

LONGEST_VALUE_SHOWN_CHARS: Final = 200
LONGEST_PATH_SHOWN_CHARS: Final = 200
"""Of a payload's field, such as `order.lines.0.price`: a key of the caller's may be of any length."""

LONGEST_PROBLEM_SHOWN_CHARS: Final = 500
MOST_PROBLEMS_SHOWN: Final = 10
MOST_TYPES_SHOWN: Final = 10
MOST_IDS_SHOWN: Final = 10
MOST_TRACEBACKS_KNOWN: Final = 1_000
"""That a runner remembers to have logged; a forgotten one is logged once more."""

MOST_EXCEPTIONS_KEPT: Final = 100
"""Of failed attempts whose ends are still to be saved; the log lines of more have the text of the traceback alone."""

MOST_DEATHS_WAITING: Final = 1_000
"""Calls of `on_dead` that wait; of further deaths it is not called."""

"""Every error of the library, under one base class; one file for each group.

    AiojobsError
    ├── BatchError                  about one batch
    │   ├── BatchNotFound           no batch has this id (any more), or the job is in none
    │   └── BatchClosed             it takes no more jobs: nothing was enqueued
    ├── ConfigurationError          the program is written wrong: fix the code
    │   ├── InvalidOption           an option has a value that cannot work
    │   ├── InvalidJobType          a handler cannot become a job type
    │   ├── DuplicateJobType        two handlers under one name
    │   ├── JobTypeRefused          a job type cannot join, change or leave a running runner
    │   ├── UnknownLimit            no limit by key of this name in the database
    │   ├── MissingDependency       deps= has no resource for an injected parameter
    │   ├── ConflictingResources    two groups have different resources for a type
    │   ├── ResourceFailed          a resource of deps= could not be made at the start
    │   ├── InvalidSchedule         a cron expression or time zone that cannot work
    │   └── MiddlewareMisused       a middleware that does not proceed, or twice
    ├── EnqueueError                this call is wrong; nothing was written
    │   ├── UnknownJobType          no such name in this runner
    │   ├── InvalidPayload          the arguments do not fit the handler
    │   ├── InvalidKey              the arguments give no key
    │   ├── KeyReused               another payload has the same idempotency key
    │   ├── UniqueConflict          a job with the same unique key is there
    │   ├── QueueFull               as many jobs of the type are pending as may be
    │   ├── PayloadTooLarge         the arguments are too big to be stored
    │   └── TransactionRefused      the caller's transaction cannot take the job
    ├── EventError                  about events
    │   ├── InvalidEvent            it cannot be sent; nothing was
    │   └── EventNotFound           no event has this number (any more)
    ├── ExpressionError             a text is no expression of Inngest, or one that is too large
    ├── JobError                    about one stored job
    │   ├── JobNotFound             no job has this id (any more)
    │   ├── JobNotCommitted         its transaction is not committed, or was rolled back
    │   ├── JobNotAllowed           its status does not allow the operation
    │   ├── AttemptNotOwned         the runner no longer owns its attempt: nothing was written
    │   ├── RecordedError           what an attempt raised, as it is recorded
    │   ├── JobDead                 awaited, and it is dead
    │   ├── JobCancelled            awaited, and it was cancelled
    │   ├── ResultTimeout           awaited, and it took too long
    │   ├── ResultNotKept           completed, but its result was not stored
    │   ├── RunTooLarge             driven by calls, and it would store too much
    │   └── StepError               about one step of a durable handler
    │       ├── StepFailed          it failed for good
    │       ├── StepMismatch        its name was another kind of step before
    │       ├── StepNotStored       what it returned cannot be stored
    │       ├── StepUnfit           what it returned does not fit its annotation any more
    │       └── TooManySteps        a job has only so many
    ├── RunnerError                 the runner cannot be used now, or from this loop
    │   ├── RunnerNotStarted        used before `async with runner`
    │   ├── RunnerAlreadyStarted    entered twice, or changed while it runs
    │   ├── RunnerClosed            used after it
    │   ├── ClientClosed            a client, used after `with client`
    │   └── WrongEventLoop          used from another loop, thread or process
    ├── ScheduleError               about one schedule
    │   ├── ScheduleNotFound        the database has none of this name
    │   └── ScheduleTaken           code and a program at run time gave one name to two schedules
    ├── SignatureRefused            a message has no signature, or none that holds
    └── StoreError                  about the database
        ├── StoreUnavailable        locked, full, read-only or failing: repeat later
        ├── StoreRefused            not opened, and not changed
        └── StoreRejected           the database refused one call, and would refuse it again

Each message says what to do next; what it names is also an attribute. `pickle` and `copy` keep the attributes, but not
`__cause__` and the traceback.
"""

from aiojobs_lite.errors.base import (
    AiojobsError,
    Portable,
)
from aiojobs_lite.errors.batches import (
    BatchClosed,
    BatchError,
    BatchNotFound,
)
from aiojobs_lite.errors.configuration import (
    ConfigurationError,
    ConflictingResources,
    DuplicateJobType,
    InvalidJobType,
    InvalidOption,
    InvalidSchedule,
    JobTypeRefused,
    MiddlewareMisused,
    MissingDependency,
    ResourceFailed,
    UnknownLimit,
)
from aiojobs_lite.errors.enqueuing import (
    EnqueueError,
    InvalidKey,
    InvalidPayload,
    KeyReused,
    PayloadTooLarge,
    QueueFull,
    TransactionRefused,
    UniqueConflict,
    UnknownJobType,
)
from aiojobs_lite.errors.events import (
    EventError,
    EventNotFound,
    InvalidEvent,
)
from aiojobs_lite.errors.expressions import ExpressionError
from aiojobs_lite.errors.job import (
    AttemptNotOwned,
    JobCancelled,
    JobDead,
    JobError,
    JobNotAllowed,
    JobNotCommitted,
    JobNotFound,
    RecordedError,
    ResultNotKept,
    ResultTimeout,
    RunTooLarge,
)
from aiojobs_lite.errors.runner import (
    ClientClosed,
    RunnerAlreadyStarted,
    RunnerClosed,
    RunnerError,
    RunnerNotStarted,
    WrongEventLoop,
)
from aiojobs_lite.errors.schedules import ScheduleError, ScheduleNotFound, ScheduleTaken
from aiojobs_lite.errors.signatures import (
    SignatureRefused,
)
from aiojobs_lite.errors.steps import (
    StepError,
    StepFailed,
    StepMismatch,
    StepNotStored,
    StepUnfit,
    TooManySteps,
)
from aiojobs_lite.errors.store import (
    StoreError,
    StoreRefused,
    StoreRejected,
    StoreUnavailable,
)

__all__ = [
    "AiojobsError",
    "AttemptNotOwned",
    "BatchClosed",
    "BatchError",
    "BatchNotFound",
    "ClientClosed",
    "ConfigurationError",
    "ConflictingResources",
    "DuplicateJobType",
    "EnqueueError",
    "EventError",
    "EventNotFound",
    "ExpressionError",
    "InvalidEvent",
    "InvalidJobType",
    "InvalidKey",
    "InvalidOption",
    "InvalidPayload",
    "InvalidSchedule",
    "JobCancelled",
    "JobDead",
    "JobError",
    "JobNotAllowed",
    "JobNotCommitted",
    "JobNotFound",
    "JobTypeRefused",
    "KeyReused",
    "MiddlewareMisused",
    "MissingDependency",
    "PayloadTooLarge",
    "Portable",
    "QueueFull",
    "RecordedError",
    "ResourceFailed",
    "ResultNotKept",
    "ResultTimeout",
    "RunTooLarge",
    "RunnerAlreadyStarted",
    "RunnerClosed",
    "RunnerError",
    "RunnerNotStarted",
    "ScheduleError",
    "ScheduleNotFound",
    "ScheduleTaken",
    "SignatureRefused",
    "StepError",
    "StepFailed",
    "StepMismatch",
    "StepNotStored",
    "StepUnfit",
    "StoreError",
    "StoreRefused",
    "StoreRejected",
    "StoreUnavailable",
    "TooManySteps",
    "TransactionRefused",
    "UniqueConflict",
    "UnknownJobType",
    "UnknownLimit",
    "WrongEventLoop",
]

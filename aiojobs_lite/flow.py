"""What puts jobs together or refuses them: the values of `unique=`, `debounce=`, `throttle=` and `batch=`."""

from __future__ import annotations

from aiojobs_lite.model.debounce import Debounce
from aiojobs_lite.model.micro_batch import Batch
from aiojobs_lite.model.throttle import Throttle
from aiojobs_lite.model.unique import Unique
from aiojobs_lite.runner.asgi import answer_queue_full

__all__ = ["Batch", "Debounce", "Throttle", "Unique", "answer_queue_full"]

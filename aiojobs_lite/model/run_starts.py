"""Rates that count the first attempt of each job alone (`Rate(counts="jobs")`): the store knows one by its name.

When an attempt has ended and its job is pending again, the job is in another lane, without the meters of such rates:
later attempts neither wait for them nor count.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from aiojobs_lite.limit_values import is_name_of_starts
from aiojobs_lite.model.limits import END

_LANES_KNOWN: Final = 20_000


@lru_cache(_LANES_KNOWN)
def later_lane(text: str | None) -> str | None:
    """The lane of a job that is pending again, by the one that it had; None: no limit counts it any more."""
    if text is None:
        return None
    head, parts = text.split(END)[:2], text.split(END)[2:]
    meters = list(zip(parts[::2], parts[1::2], strict=False))
    left = [meter for meter in meters if not is_name_of_starts(meter[0])]
    if len(left) == len(meters):
        return text
    return END.join([*head, *(part for meter in left for part in meter)]) if left else None

"""From the options of `runner.jobs.moments` to a question to the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_aware, check_choice, check_each, check_whole
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.moments import ListMoments, Moment, MomentKind
from aiojobs_lite.runner.filters import LARGEST_PAGE, Wanted, check_ids, check_wanted
from aiojobs_lite.runner.types import type_name


def moments_query(
    job_type: JobType[..., Any] | str,
    kinds: Collection[MomentKind | str],
    ids: Iterable[int] | None,
    metadata: Mapping[str, Wanted | Collection[Wanted]] | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    after: Moment | None,
) -> ListMoments:
    """The question for the moments that are meant; the options are those of the call.

    Raises:
        InvalidOption: If one of them cannot work.
    """
    of_type = type_name(job_type)
    if of_type is None:
        raise InvalidOption("type", job_type, "the name of a job type")
    names = [str(one) for one in MomentKind]
    listed = {MomentKind(check_choice("kinds", one, names)) for one in check_each("kinds", kinds, f"some of {names}")}
    first, last = (
        None if at is None else to_micros(check_aware(name, at)) for name, at in (("since", since), ("until", until))
    )
    if after is not None and not isinstance(after, Moment):
        raise InvalidOption("after", after, "the `next` of the page before")
    wanted, fields = None if ids is None else check_ids(ids), check_wanted("metadata", metadata)
    return ListMoments(of_type, listed, check_whole("limit", limit, LARGEST_PAGE), after, first, last, wanted, fields)

"""Flow control: how many messages of a key are delivered at once, and how many start within a period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.limit_values import UNLIMITED
from aiojobs_lite.limits import LimitUse
from aiojobs_lite.qstash.api import Api, Route, answer
from aiojobs_lite.qstash.durations import whole_seconds
from aiojobs_lite.qstash.flow_control import LONGEST_FLOW_PERIOD_S
from aiojobs_lite.qstash.limits import PARALLELISM, RATE
from aiojobs_lite.qstash.times import milliseconds
from aiojobs_lite.runner.limits import JobLimits

MOST_FLOW_KEYS_SHOWN: Final = 1000
_FLAGS: Final = {"true": True, "false": False}


async def list_flow_control(api: Api, request: Request) -> Response:
    """The keys that are known, or those that have a text in them, by name."""
    wanted = request.query_params.get("search", "")
    keys = sorted({key for key in await _keys(api) if wanted in key})[:MOST_FLOW_KEYS_SHOWN]
    return answer(await _shown(api, keys))


async def get_flow_control(api: Api, request: Request) -> Response:
    """One key."""
    key = await _known(api, request)
    return answer((await _shown(api, [key]))[0])


async def pause_flow_control(api: Api, request: Request) -> Response:
    """Has no message of a key delivered until it is resumed; the period of its rate goes on."""
    await (await api.limits.declared()).pause(PARALLELISM, key=_key(request))
    return answer()


async def resume_flow_control(api: Api, request: Request) -> Response:
    """Has the messages of a key delivered again."""
    await (await api.limits.declared()).resume(PARALLELISM, key=_key(request))
    return answer()


async def pin_flow_control(api: Api, request: Request) -> Response:
    """Sets the parallelism or the rate of a key, whatever its messages say from now on. A rate begins anew."""
    key, given = _key(request), _given(request, {"parallelism", "rate", "period"})
    parallelism, rate = (_count(name, given[name]) if name in given else None for name in ("parallelism", "rate"))
    period = _period(given["period"]) if "period" in given else None
    if parallelism is None and rate is None and period is None:
        raise ApiError(400, "nothing is pinned: give parallelism, rate or period, such as ?parallelism=2&rate=5")
    limits = await api.limits.declared()
    if parallelism is not None:
        await limits.change(PARALLELISM, parallelism, key=key)
    if rate is not None or period is not None:
        most = (await limits.get(RATE, key=key)).state.most if rate is None else rate
        await limits.change(RATE, most or UNLIMITED, per=period, key=key)
        await limits.restart(RATE, key=key)
    return answer()


async def unpin_flow_control(api: Api, request: Request) -> Response:
    """Has the next message of a key set its parallelism or its rate again. Until then they stay."""
    key, given = await _known(api, request), _given(request, {"parallelism", "rate"})
    limits = await api.limits.declared()
    for name, limit in (("parallelism", PARALLELISM), ("rate", RATE)):
        if _flag(name, given.get(name, "false")):
            state = (await limits.get(limit, key=key)).state
            if state.is_pinned:
                await limits.change(limit, state.most or UNLIMITED, key=key, pin=False)
    return answer()


async def reset_rate(api: Api, request: Request) -> Response:
    """Begins the count of the rate of a key anew."""
    await (await api.limits.declared()).restart(RATE, key=await _known(api, request))
    return answer()


async def get_global_parallelism(api: Api, request: Request) -> Response:
    """How many messages are delivered at once, and how many may be: as many as the runners that deliver run jobs."""
    del request
    delivering = [one for one in await api.runner.runners() if one.is_alive and DELIVERY in one.types]
    counts = api.runner.stats().by_type.get(DELIVERY)  # None: neither this runner nor another one has delivered
    running = 0 if counts is None else counts.processing
    return answer({"parallelismMax": sum(one.max_running for one in delivering), "parallelismCount": running})


async def _keys(api: Api) -> set[str]:
    """The keys of which anything is stored."""
    limits = await api.limits.declared()
    return {one.key for one in await limits.list() if one.name in {PARALLELISM, RATE} and isinstance(one.key, str)}


def _key(request: Request) -> str:
    return str(request.path_params["key"])


async def _known(api: Api, request: Request) -> str:
    key = _key(request)
    if key not in await _keys(api):
        raise ApiError(404, f"there is no flow-control key {key!r}: the first message that names it makes it")
    return key


async def _shown(api: Api, keys: list[str]) -> list[dict[str, Any]]:
    limits: JobLimits = await api.limits.declared()
    parallelisms, rates = await limits.get_many(PARALLELISM, keys), await limits.get_many(RATE, keys)
    return [_object(*one) for one in zip(keys, parallelisms, rates, strict=True)]


def _object(key: str, parallelism: LimitUse, rate: LimitUse) -> dict[str, Any]:
    has_rate = rate.state.most != UNLIMITED
    return {
        "flowControlKey": key,
        "waitListSize": parallelism.waiting,
        "parallelismMax": None if parallelism.state.most == UNLIMITED else parallelism.state.most,
        "parallelismCount": parallelism.taken,
        "rateMax": rate.state.most if has_rate else None,
        "rateCount": rate.taken,
        "ratePeriod": _whole(rate.state.per or 1),
        "ratePeriodStart": None if rate.began_at is None else milliseconds(rate.began_at) // 1000,
        "isPaused": parallelism.state.is_paused,
        "isPinnedParallelism": parallelism.state.is_pinned,
        "isPinnedRate": rate.state.is_pinned,
    }


def _whole(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds


def _given(request: Request, known: set[str]) -> Mapping[str, str]:
    given = dict(request.query_params)
    given.pop("qstash_token", None)
    strange = sorted(given.keys() - known)
    if strange:
        raise ApiError(400, f"the parameter {strange[0]!r} is unknown: give {', '.join(sorted(known))}")
    return given


def _count(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= UNLIMITED:
        raise InvalidOption(name, text, f"a whole number from 1 to {UNLIMITED:,}")
    return number


def _period(text: str) -> int:
    period = whole_seconds(text, "period")
    if not 1 <= period <= LONGEST_FLOW_PERIOD_S:
        raise InvalidOption("period", text, "seconds, at most a week")
    return period


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise InvalidOption(name, text, "true or false")
    return _FLAGS[text.lower()]


FLOW_ROUTES: Final = (
    Route("GET", "/v2/flowControl", list_flow_control),
    Route("POST", "/v2/flowControl/{key:rest}/pause", pause_flow_control),
    Route("POST", "/v2/flowControl/{key:rest}/resume", resume_flow_control),
    Route("POST", "/v2/flowControl/{key:rest}/pin", pin_flow_control),
    Route("POST", "/v2/flowControl/{key:rest}/unpin", unpin_flow_control),
    Route("POST", "/v2/flowControl/{key:rest}/resetRate", reset_rate),
    Route("GET", "/v2/flowControl/{key:rest}", get_flow_control),
    Route("GET", "/v2/globalParallelism", get_global_parallelism),
)

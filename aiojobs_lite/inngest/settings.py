"""What an Inngest application of ours is set to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, get_args

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice, check_each, check_flag, check_text, check_whole
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.job_type import Enqueueable
from aiojobs_lite.handlers.urls import check_url
from aiojobs_lite.inngest.keys import AppKeys
from aiojobs_lite.policy.backoff import Backoff

InngestMode = Literal["dev", "cloud"]

LONGEST_EVENT_KEY_CHARS: Final = 200
_APP_CONCURRENCY: Final = 75  # three quarters of the slots that a runner has by default
MOST_APP_CALLS: Final = 100_000
"""Of one app at once."""

_LONGEST_CALL_S: Final = 7_200.0
_SHORTEST_LOOK_S: Final = 0.1


class InngestOptions(TypedDict, total=False):
    """What `inngest_app` takes, all of it optional.

    Attributes:
        mode: `cloud` (the default): apps and senders prove themselves by keys, and calls are signed; or `dev`: nothing
            is checked, and only apps on this machine are called, or those of `apps`.
        event_key: The key that senders of events have; needed in the mode `cloud`.
        fallback_event_key: Another one that counts as well, while keys are changed.
        signing_key: The key of the apps, `signkey-prod-...`; needed in the mode `cloud`.
        fallback_signing_key: Another one that counts as well, while keys are changed.
        apps: The URLs of apps that are asked to register themselves, at the start and from time to time.
        look_every: How often the apps are asked; default 10 s.
        allow_private: Whether apps are called at addresses that are not public; default: in the mode `dev`.
        app_concurrency: How many calls of one app are open at once, in all runners of the database; default 75. Let it
            be below the `max_running` of a runner: an app that does not answer keeps no other one from being called.
        backoff: The waits between the attempts of a step; default `Backoff(base="30s", cap="2h")`.
        timeout: How long one call of an app may take; default 2 h.
        gateway: The hosts to which `step.fetch` and `step.ai` may send requests; default: none.
        invocable: The job types of Python that functions may invoke, as functions of an app `native`; default: none.
    """

    mode: InngestMode
    event_key: str | None
    fallback_event_key: str | None
    signing_key: str | None
    fallback_signing_key: str | None
    apps: Sequence[str]
    look_every: Duration
    allow_private: bool | None
    app_concurrency: int
    backoff: Backoff | None
    timeout: Duration
    gateway: Sequence[str]
    invocable: Sequence[Enqueueable[..., Any]]


@dataclass(frozen=True, slots=True)
class InngestSettings:
    """The checked options of an application; see `InngestOptions`. Durations in seconds."""

    mode: InngestMode
    event_keys: tuple[str, ...]
    signing_keys: AppKeys | None
    apps: tuple[str, ...]
    look_every: float
    allow_private: bool
    app_concurrency: int
    backoff: Backoff
    timeout: float
    gateway: frozenset[str]
    invocable: tuple[Enqueueable[..., Any], ...] = ()

    @property
    def is_dev(self) -> bool:
        """Whether nothing is checked."""
        return self.mode == "dev"


def inngest_settings(options: InngestOptions) -> InngestSettings:
    """Checks the options.

    Raises:
        InvalidOption: If one of them cannot work, or is missing.
    """
    refuse_unknown(options, InngestOptions.__optional_keys__)
    mode = options.get("mode", "cloud")
    check_choice("mode", mode, get_args(InngestMode))
    event_keys = [_event_key(name, options.get(name)) for name in ("event_key", "fallback_event_key")]
    signing_key, fallback = options.get("signing_key"), options.get("fallback_signing_key")
    if mode == "cloud":
        for name, found in (("event_key", event_keys[0]), ("signing_key", signing_key)):
            if found is None:
                raise InvalidOption(name, None, f"a key, or mode='dev' on the machine of a developer: {mode} checks it")
    allow_private = options.get("allow_private")
    backoff = options.get("backoff")
    if backoff is not None and not isinstance(backoff, Backoff):
        raise InvalidOption("backoff", backoff, 'a Backoff, such as Backoff(base="30s", cap="2h")')
    apps: list[Any] = check_each("apps", options.get("apps", ()), "URLs of apps")
    return InngestSettings(
        mode,
        tuple([key for key in event_keys if key is not None]),
        None if signing_key is None else AppKeys(signing_key, fallback),
        tuple(dict.fromkeys([check_url("apps", url) for url in apps])),
        seconds(options.get("look_every", 10.0), "look_every", least=_SHORTEST_LOOK_S),
        mode == "dev" if allow_private is None else check_flag("allow_private", allow_private),
        check_whole("app_concurrency", options.get("app_concurrency", _APP_CONCURRENCY), MOST_APP_CALLS),
        backoff or Backoff(base="30s", cap="2h"),
        seconds(options.get("timeout", _LONGEST_CALL_S), "timeout", least=0.001),
        _hosts(options.get("gateway", ())),
        _invocable(options.get("invocable", ())),
    )


def _hosts(value: object) -> frozenset[str]:
    found: list[Any] = check_each("gateway", value, "names of hosts")
    return frozenset([check_text("gateway", host, LONGEST_EVENT_KEY_CHARS).lower() for host in found])


def _invocable(value: object) -> tuple[Enqueueable[..., Any], ...]:
    found: list[Any] = check_each("invocable", value, "job types")
    for one in found:
        if not isinstance(one, Enqueueable):
            raise InvalidOption("invocable", one, "a list of job types (functions with @runner.job or @job)")
    return tuple(found)


def _event_key(name: str, value: object) -> str | None:
    return None if value is None else check_text(name, value, LONGEST_EVENT_KEY_CHARS)

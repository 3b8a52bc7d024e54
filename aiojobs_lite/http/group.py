"""`Http`: the group of job types that deliver over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final, TypedDict, Unpack, cast, get_args

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice, check_flag, check_text, check_whole
from aiojobs_lite.handlers.group import Jobs
from aiojobs_lite.handlers.habits import HABITS_OF_HTTP, refuse_unknown
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.publish import PublishOptions, Rules, publish_of
from aiojobs_lite.handlers.requests import DELIVERY, DeliveryType, Request
from aiojobs_lite.handlers.urls import host_of
from aiojobs_lite.http.addresses import is_public
from aiojobs_lite.http.breaker import PER_HOST_LIMIT, Breaker, CircuitBreaker
from aiojobs_lite.http.delivery import Deliverer, DeliverySettings, Signs
from aiojobs_lite.http.fan_out import FanOut
from aiojobs_lite.http.session import HttpSession, open_session
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.limits import Limit
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.sizes import LARGEST_DELIVERED_BODY_BYTES, LARGEST_VALUE_BYTES

_MOST_PER_HOST: Final = 10_000
_LONGEST_USER_AGENT_CHARS: Final = 200
_ESCAPED: Final = 6  # what JSON makes of one control character
_BESIDE_THE_BODY_BYTES: Final = 128 * 1024  # of a payload: headers, URL, callbacks


class HttpOptions(TypedDict, total=False):
    """What `Http` takes, all of it optional.

    Attributes:
        signer: Signs each delivery: `Signer(SigningKeys(...))`; default: they are not signed.
        qstash_signer: Signs those with `rules="qstash"`; default: they are not signed.
        per_host: Most deliveries to one host at once, over all runners of the database; others wait there. None: any
            number. Default 20.
        allow_http: Whether `http://` is allowed; default: `https://` alone.
        allow_private: Whether addresses that are not public are allowed, such as 127.0.0.1; default: they are not.
        timeout: How long an attempt may take, from the name of the host to the end of the answer; default 30 s.
        max_attempts: All attempts of a delivery; default 10.
        backoff: The waits between them; default `Backoff(base="30s", cap="1d")`.
        rules: What an answer means: `default` (the default) or `qstash`.
        largest_body: Most bytes of the body of a delivery; default 1 MiB.
        breaker: When a host that is in trouble is left alone: a `Breaker`; None: never. Default `Breaker()`; it needs
            `per_host`.
        user_agent: The header `User-Agent`; default `aiojobs_lite`.
        resolver: Finds the addresses of hosts, as aiohttp's `AbstractResolver` does; default: that of the system.
        ssl_context: For `https://`; default: certificates are checked by the authorities that the system trusts.
    """

    signer: Signs | None
    qstash_signer: Signs | None
    per_host: int | None
    allow_http: bool
    allow_private: bool
    timeout: Duration
    max_attempts: int
    backoff: Backoff | None
    rules: Rules
    largest_body: int
    breaker: Breaker | None
    user_agent: str | None
    resolver: Any
    ssl_context: SSLContext | None


DEFAULTS: Final[HttpOptions] = {
    "signer": None, "qstash_signer": None, "per_host": 20, "allow_http": False, "allow_private": False,
    "timeout": 30.0, "max_attempts": 10, "backoff": None, "rules": "default",
    "largest_body": LARGEST_DELIVERED_BODY_BYTES, "breaker": Breaker(), "user_agent": None, "resolver": None,
    "ssl_context": None,
}  # fmt: skip
"""What `Http` takes that is not given."""


class Http(Jobs):
    """Deliveries over HTTP: a group of job types, for `JobRunner(jobs=[Http()])`. `runner.publish(url, ...)` needs it.

    Needs the extra: `pip install "aiojobs_lite[http]"`, which is imported when a runner starts. All deliveries of a
    runner share one session: it is opened at the start, and closed after the drain.

    Args:
        **options: Those that `HttpOptions` describes.

    Attributes:
        job: Declares a handler as a job type of this group; see `JobOptions`.
        largest_body: Most bytes of the body of a delivery.
        fan_out: Delivers to each URL of a group.

    Raises:
        InvalidOption: If one of them cannot work, or there is none of this name.
    """

    def __init__(self, **options: Unpack[HttpOptions]) -> None:
        refuse_unknown(options, HttpOptions.__optional_keys__, HABITS_OF_HTTP)
        given = cast("HttpOptions", {**DEFAULTS, **options})
        self._allow_http = check_flag("allow_http", given["allow_http"])
        self._allow_private = check_flag("allow_private", given["allow_private"])
        session = partial(
            open_session, allow_private=self._allow_private, resolver=_resolver(given["resolver"]),
            ssl_context=_ssl_context(given["ssl_context"]),
        )  # fmt: skip
        breaker = _breaker(given["breaker"])
        counts = partial(CircuitBreaker, None if given["per_host"] is None else breaker)
        super().__init__(deps={HttpSession: session, CircuitBreaker: counts})
        self._deliverer = Deliverer(self._settings(given))
        self.delivery = self._delivery(given)

    def request(self, url: str, **options: Unpack[PublishOptions]) -> Request:
        """A delivery, for all that takes a job type: `runner.enqueue(http.request(...))`, `ctx.enqueue_once`,
        `ctx.invoke`, a batch, a transaction; with `.bind()` also for `enqueue_many`.

        Args:
            url: Where it goes.
            **options: Those that `aiojobs_lite.handlers.publish.PublishOptions` describes.

        Raises:
            InvalidOption: If something of it cannot work.
            PayloadTooLarge: If it is larger than deliveries may be.
        """
        return self.delivery.request(publish_of(url, options))

    def sign_qstash_by(self, signer: StoredSigner) -> None:
        """Has the deliveries of `rules="qstash"` signed with the keys that the database has.

        Raises:
            InvalidOption: If another signer does that already.
        """
        self._deliverer.sign_by("qstash", signer)

    def _check(self, option: str, url: str) -> None:
        """Checks whether deliveries may go to a URL; of a name its addresses are looked at when it is dialled."""
        if not url.startswith("https:") and not self._allow_http:
            raise InvalidOption(option, url, "a URL of https, or Http(allow_http=True)")
        if self._allow_private:
            return
        try:
            is_refused = not is_public(ip_address(host_of(url)))
        except ValueError:  # nearly always: a name
            return
        if is_refused:
            raise InvalidOption(option, url, "a public address, or Http(allow_private=True)")

    def _settings(self, given: HttpOptions) -> DeliverySettings:
        signers = {"default": given["signer"], "qstash": given["qstash_signer"]}
        for signer, option in zip(signers.values(), ("signer", "qstash_signer"), strict=True):
            if signer is not None and not callable(getattr(signer, "sign", None)):
                kind = f"<{type(signer).__name__}>"  # its repr may have its keys
                raise InvalidOption(option, kind, "a Signer(SigningKeys(...))")
        agent = given["user_agent"]
        check_choice("rules", given["rules"], get_args(Rules))
        return DeliverySettings(
            self._check,
            {name: signer for name, signer in signers.items() if signer is not None},
            seconds(given["timeout"], "timeout", least=0.001),
            given["rules"],
            None if agent is None else check_text("user_agent", agent, _LONGEST_USER_AGENT_CHARS),
        )

    def _delivery(self, given: HttpOptions) -> DeliveryType:
        limits, per_host = [], given["per_host"]
        if per_host is not None:
            limits = [Limit(check_whole("per_host", per_host, _MOST_PER_HOST), key=host, name=PER_HOST_LIMIT)]
        self.largest_body = body = check_whole("largest_body", given["largest_body"], LARGEST_VALUE_BYTES // 2)
        largest_payload = min(body * _ESCAPED + _BESIDE_THE_BODY_BYTES, LARGEST_VALUE_BYTES)
        died: JobType[..., None] = JobType(self._deliverer.report_death, name="http.dead", max_attempts=100)
        made = DeliveryType(
            self._deliverer.deliver,
            name=DELIVERY,
            max_attempts=given["max_attempts"],
            backoff=given["backoff"] or Backoff(base="30s", cap="1d"),
            limits=limits,
            largest_payload=largest_payload,
            secret=["secret_headers", "secret_body"],
            on_dead=died,
        )
        made.check, made.largest_body = self._check, body
        self._deliverer.job_type = made
        self.fan_out = FanOut(made, largest_payload)
        for one in (made, died, self.fan_out.job_type):
            self._add(one)
        return made


def host(arguments: Mapping[str, Any]) -> str:
    """The host of a delivery: the key of its limit."""
    return host_of(arguments["url"])


def _resolver(value: object) -> object:
    if value is not None and (isinstance(value, type) or not callable(getattr(value, "resolve", None))):
        raise InvalidOption("resolver", value, "an AbstractResolver of aiohttp, or None")
    return value


def _ssl_context(value: object) -> SSLContext | None:
    if value is not None and not isinstance(value, SSLContext):
        raise InvalidOption("ssl_context", value, "an ssl.SSLContext, or None")
    return value


def _breaker(value: object) -> Breaker | None:
    if value is not None and not isinstance(value, Breaker):
        raise InvalidOption("breaker", value, 'a Breaker, such as Breaker(10, wait="30s"), or None')
    return value

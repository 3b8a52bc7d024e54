"""`Http`: its options, what it declares, what it loads."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.errors import DuplicateJobType, InvalidOption, ResourceFailed
from aiojobs_lite.http import PER_HOST_LIMIT, Http, SigningKeys
from aiojobs_lite.http.group import HttpOptions

URL = "https://example.com/hook"


def test_the_options_of_deliveries_are_those_of_their_job_type() -> None:
    http = Http(max_attempts=3, backoff=Backoff(base=1, cap=2), per_host=7, largest_body=3000)
    delivery = http.delivery
    assert (delivery.name, delivery.max_attempts, delivery.policy.backoff) == ("http.delivery", 3, Backoff(1, 2))
    assert delivery.lanes is not None
    assert [(limit.most, limit.name) for limit in delivery.lanes.limits] == [(7, PER_HOST_LIMIT)]
    assert Http(per_host=None).delivery.lanes is None
    assert [one.name for one in http] == ["http.delivery", "http.dead", "http.fan_out"]
    plain = Http().delivery
    assert (plain.max_attempts, plain.policy.backoff) == (10, Backoff(base="30s", cap="1d"))


def test_deliveries_are_counted_by_the_host_of_their_url() -> None:
    rows = [Http().request(url).row(7, (), {}) for url in (URL, "https://EXAMPLE.com:8443/", "https://other.example/")]
    lanes = [row.lane for row in rows]
    assert lanes[0] == lanes[1] != lanes[2]


@pytest.mark.parametrize(
    ("options", "option", "problem"),
    [
        ({"signer": SigningKeys.generate()}, "signer", "a Signer(SigningKeys(...))"),
        ({"qstash_signer": "sig_x"}, "qstash_signer", "a Signer(SigningKeys(...))"),
        ({"per_host": 0}, "per_host", "a whole number from 1 to 10,000"),
        ({"allow_http": 1}, "allow_http", "True or False"),
        ({"allow_private": "no"}, "allow_private", "True or False"),
        ({"timeout": 0}, "timeout", "from 1ms"),
        ({"max_attempts": 0}, "max_attempts", "a whole number from 1"),
        ({"backoff": 3}, "backoff", "a Backoff"),
        ({"rules": "mine"}, "rules", "'default' or 'qstash'"),
        ({"largest_body": 0}, "largest_body", "a whole number from 1"),
        ({"user_agent": "a\n"}, "user_agent", "1 to 200 printable characters"),
        ({"breaker": 10}, "breaker", "a Breaker, such as"),
        ({"ssl_context": True}, "ssl_context", "an ssl.SSLContext, or None"),
        ({"resolver": {}}, "resolver", "an AbstractResolver of aiohttp, or None"),
        ({"per_hots": 3}, "per_hots", "the option per_host."),
        ({"retries": 3}, "retries", "retries=3: expected max_attempts=, which counts the first attempt too."),
        ({"signing_key": "x"}, "signing_key", "signing_key='***': expected signer=Signer(SigningKeys(...))."),
        ({"key": "whsec_x"}, "key", "key='***': expected signer=Signer(SigningKeys(...))."),
        ({"headers": {"Cookie": "x"}}, "headers", "headers='***': expected headers= of each publish."),
    ],
)  # fmt: skip
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], option: str, problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Http(**options)
    assert caught.value.option == option
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("options", "url", "problem"),
    [
        ({}, "http://example.com/", "a URL of https, or Http(allow_http=True)"),
        ({}, "https://127.0.0.1/", "a public address, or Http(allow_private=True)"),
        ({}, "https://[::ffff:10.0.0.1]/", "a public address, or Http(allow_private=True)"),
        ({"allow_http": True}, "http://169.254.169.254/latest", "a public address, or Http(allow_private=True)"),
        ({"allow_private": True}, "http://127.0.0.1/", "a URL of https, or Http(allow_http=True)"),
    ],
)  # fmt: skip
def test_where_deliveries_may_not_go_is_refused_at_the_door(options: Any, url: str, problem: str) -> None:
    refused: list[dict[str, Any]] = [{"url": url}, {"url": URL, "callback": url}, {"url": URL, "failure_callback": url}]
    for given in refused:
        with pytest.raises(InvalidOption) as caught:
            Http(**options).request(**given)
        assert caught.value.expected == problem
    assert Http(allow_http=True, allow_private=True).request(url, callback=url).bind().payload


def test_every_option_is_documented() -> None:
    assert set(HttpOptions.__optional_keys__) == {
        line.strip().partition(":")[0]
        for line in (HttpOptions.__doc__ or "").partition("Attributes:")[2].splitlines()
        if line.startswith("        ") and not line.startswith("         ")
    }


def test_one_runner_has_one_group_of_deliveries() -> None:
    with pytest.raises(DuplicateJobType, match=r"'http\.delivery' is declared twice.* Http\(\) once"):
        JobRunner(":memory:", jobs=[Http(), Http()])


async def test_without_the_extra_a_runner_that_delivers_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ResourceFailed, match=r'pip install "aiojobs_lite\[http\]"') as caught:
        await JobRunner(":memory:", jobs=[Http()]).start()
    assert isinstance(caught.value.__cause__, InvalidOption)

"""A delivery with all that is sent is enqueued as a job type without arguments, wherever one is."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import InvalidOption, InvalidPayload, PayloadTooLarge
from aiojobs_lite.handlers.publish import Publish
from aiojobs_lite.handlers.requests import DELIVERY, DeliveryType
from aiojobs_lite.http import Http
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.sizes import LARGEST_DELIVERED_BODY_BYTES

URL = "https://example.com/hook"


def test_a_request_makes_the_row_of_a_delivery_with_its_options() -> None:
    request = Http(per_host=None).request(URL, json={"a": 1}, max_attempts=3, label="l")
    row = request.row(7, (), {})
    assert (row.type, row.max_attempts, row.label, row.created_at, row.lane) == (DELIVERY, 3, "l", 7, None)
    stored = '{"url":"https://example.com/hook","headers":[["Content-Type","application/json"]],"body":"{\\"a\\":1}"}'
    assert arguments_of(row.payload) == stored
    assert request.bind().row(7) == row
    assert repr(request).startswith("<Request of 'http.delivery' with max_attempts=3, label='l', metadata=")


def test_a_request_takes_further_options_and_no_arguments() -> None:
    request = Http().request(URL)
    more = request.using(label="l", limits=[Limit(1, key="url", name="mine")])
    assert more.row(7, (), {}).label == "l"
    assert "mine" in (more.row(7, (), {}).lane or "")
    assert request.row(7, (), {}).label is None
    call: Any
    for call in (lambda: request.bind(1), lambda: request.bind(url="x"), lambda: request.row(7, (1,), {})):
        with pytest.raises(InvalidPayload, match=r"arguments: are in the request already: give none"):
            call()
    with pytest.raises(InvalidOption, match="delay"):
        request.using(delay=-1)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"priority": "urgent"}, "priority"), ({"delay": -1}, "delay"), ({"idempotency_key": ""}, "idempotency_key"),
        ({"label": "a\n"}, "label"), ({"metadata": {"a": object()}}, "metadata"),
        ({"callback": Publish(URL, priority="urgent")}, "priority"),  # type: ignore[arg-type]  # what is tested
        ({"failure_callback": Publish(URL, label="")}, "label"),
        ({"callback": "http://example.com"}, "callback"),
        ({"failure_callback": "https://127.0.0.1/"}, "failure_callback"),
    ],
)  # fmt: skip
def test_each_option_is_checked_at_the_door_those_of_callbacks_too(options: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Http().request(URL, **options)
    assert caught.value.option == option


def test_a_delivery_that_is_too_large_is_refused() -> None:
    http, text = Http(largest_body=1000), "'http.delivery': the body has 1,001 bytes, at most 1,000 are allowed."
    for content in (b"\xff", "x", '"', "\x01", "\x00"):  # JSON makes more of some
        for is_secret in (False, True):
            http.request(URL, content=content * 1000, secret_body=is_secret)
            with pytest.raises(PayloadTooLarge, match=f"{text} .* send its URL, or give Http a larger largest_body="):
                http.request(URL, content=content * 1001, secret_body=is_secret)


def test_a_body_of_the_largest_size_fits_whatever_it_holds() -> None:
    http, largest = Http(), LARGEST_DELIVERED_BODY_BYTES
    requests = http.request(URL, json=["a"] * (largest // 4 - 1)), http.request(URL, content="\x01" * largest)
    assert [len(one.arguments()["body"]) for one in requests] == [largest - 3, largest]


def test_a_callback_has_a_type_of_its_body_unless_it_says_another() -> None:
    delivery = Http().delivery
    assert isinstance(delivery, DeliveryType)
    plain, own = Publish(URL, callback=URL), Publish(URL, callback=Publish(URL, headers={"content-type": "x/y"}))
    assert '[["Content-Type","application/json"]]' in delivery.callback(plain.arguments["callback"], "{}").payload
    assert '[["content-type","x/y"]]' in delivery.callback(own.arguments["callback"], "{}").payload

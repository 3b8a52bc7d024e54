"""Standard Webhooks: the vector of the specification's library, and the library itself as the other side."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from aiojobs_lite.errors import SignatureRefused
from aiojobs_lite.http import Signer, SigningKeys, Verifier
from aiojobs_lite.testing import FakeClock
from tests.helpers.signed import BODY, KEYS, URL, signed, verified

VECTOR = SigningKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
VECTOR_ID, VECTOR_TIME, VECTOR_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
LIBRARY = [Webhook(key) for key in KEYS["standard"].both]


def by_library(message_id: str, at: datetime, body: bytes = BODY, receiver: Webhook = LIBRARY[0]) -> dict[str, str]:
    signature = receiver.sign(message_id, at, body.decode())
    return {
        "webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature,
    }  # fmt: skip


def is_accepted_by_library(body: bytes, headers: dict[str, str], receiver: Webhook = LIBRARY[0]) -> bool:
    try:
        receiver.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # the latter for a signature without a comma
        return False
    return True


def now() -> datetime:
    return datetime.now(UTC)


def test_the_vector() -> None:
    clock = FakeClock(datetime.fromtimestamp(VECTOR_TIME, UTC))
    headers = Signer(VECTOR, clock=clock).sign(VECTOR_BODY, message_id=VECTOR_ID, url=URL)
    assert headers == {
        "webhook-id": VECTOR_ID, "webhook-timestamp": str(VECTOR_TIME), "webhook-signature": VECTOR_SIGNATURE,
    }  # fmt: skip
    receiver = Verifier(VECTOR, url=URL, clock=clock)
    assert receiver.verify(VECTOR_BODY, headers).id == VECTOR_ID
    headers["webhook-signature"] = VECTOR_SIGNATURE.replace("OE=", "OA=")
    with pytest.raises(SignatureRefused):
        receiver.verify(VECTOR_BODY, headers)


@pytest.mark.parametrize("body", [BODY, b"", b"[]", "{'ä': '€'}".encode()])
def test_the_library_with_either_key_accepts_what_is_signed_here(body: bytes) -> None:
    headers = signed("standard", body)
    assert [is_accepted_by_library(body, headers, receiver) for receiver in LIBRARY] == [True, True]
    assert not is_accepted_by_library(body + b" ", headers)


@pytest.mark.parametrize("receiver", LIBRARY, ids=["current", "next"])
def test_what_the_library_signs_is_accepted_here(receiver: Webhook) -> None:
    at = now()
    message = verified("standard", BODY, by_library("msg_1", at, receiver=receiver))
    assert (message.id, message.sent_at, message.body) == ("msg_1", at.replace(microsecond=0), BODY)


def forged() -> dict[str, tuple[dict[str, str], bytes, str]]:
    """Messages with why they are refused, signed now: a run of the tests takes longer than a signature is valid."""
    valid = signed("standard")
    return {
        "another key": (by_library("msg_1", now(), receiver=Webhook(VECTOR.current)), BODY, "webhook-signature has no"),
        "changed body": (valid, BODY + b" ", "webhook-signature has no signature of these keys over this id"),
        "changed id": ({**valid, "webhook-id": "msg_2"}, BODY, "webhook-signature has no"),
        "changed time": ({**valid, "webhook-timestamp": str(int(time.time()) - 7)}, BODY, "signature has no"),
        "old": (
            by_library("msg_1", now() - timedelta(minutes=6)),
            BODY,
            "s before the clock of the receiver, 300 s at",
        ),
        "future": (
            by_library("msg_1", now() + timedelta(hours=6)),
            BODY,
            "s after the clock of the receiver, 300 s at",
        ),
        "no comma": ({**valid, "webhook-signature": "v1"}, BODY, "webhook-signature has no"),
        "another version": (
            {**valid, "webhook-signature": valid["webhook-signature"].replace("v1,", "v1a,")},
            BODY,
            "webhook-signature has no",
        ),
        "empty signature": ({**valid, "webhook-signature": ""}, BODY, "webhook-signature is missing or empty"),
        "a time that is none": ({**valid, "webhook-timestamp": "soon"}, BODY, "whole seconds are expected"),
    }


@pytest.mark.parametrize("name", forged())
def test_what_is_forged_both_refuse(name: str) -> None:
    headers, body, reason = forged()[name]
    assert not is_accepted_by_library(body, headers)
    with pytest.raises(SignatureRefused) as refused:
        verified("standard", body, headers)
    assert reason in refused.value.reason


def test_one_valid_signature_among_others_is_enough() -> None:
    headers = signed("standard")
    headers["webhook-signature"] = f"v1a,other v1 v1,AAAA {headers['webhook-signature'].split()[1]}"
    assert verified("standard", BODY, headers).id == "msg_1"


def test_no_part_of_a_body_passes_for_the_timestamp() -> None:
    """`msg_1.{time}.{time}.rest` would be a message `msg_1` and one `msg_1.{time}`, under one signature."""
    at = str(int(time.time()))
    headers = signed("standard", f"{at}.rest".encode())
    forged = {**headers, "webhook-id": f"msg_1.{headers['webhook-timestamp']}", "webhook-timestamp": at}
    assert is_accepted_by_library(b"rest", forged)
    with pytest.raises(SignatureRefused) as refused:
        verified("standard", b"rest", forged)
    assert refused.value.reason == (
        f"webhook-id is {forged['webhook-id']!r}: 1 to 200 characters without a dot are expected"
    )


@pytest.mark.parametrize("timestamp", ["+1", "1.5", "1_0", "0x1", "-1", "9" * 13, "1e9", "NaN", "1 2"])
def test_a_timestamp_is_digits_alone(timestamp: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        verified("standard", BODY, {**signed("standard"), "webhook-timestamp": timestamp})
    assert refused.value.reason == f"webhook-timestamp is {timestamp!r}: whole seconds are expected"


def test_a_body_that_is_no_text_is_a_body() -> None:
    body = bytes(range(256))
    assert verified("standard", body, signed("standard", body)).body == body
    with pytest.raises(UnicodeDecodeError):  # which is why the library does not do it here
        LIBRARY[0].verify(body, signed("standard", body))

"""The receiver's side of both schemes: what it takes, what it refuses, and what it says."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from aiojobs_lite import InvalidOption
from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import SignatureRefused
from aiojobs_lite.http import Signer, SigningKeys, VerifiedMessage, Verifier
from aiojobs_lite.testing import FakeClock
from tests.helpers.hostile_text import any_text, is_one_printed_line
from tests.helpers.signed import BODY, KEYS, SCHEMES, URL, claims, odd_token, signed, verified, verifier

HEADERS = {
    "standard": ("webhook-id", "webhook-timestamp", "webhook-signature"), "upstash": ("upstash-signature",),
}  # fmt: skip
GENERIC = "the message has no valid signature. Answer 401, and log the attribute `reason`."
of_each_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def pairs(scheme: str) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in signed(scheme).items()]


@of_each_scheme
def test_what_is_signed_is_verified(scheme: str) -> None:
    clock = FakeClock()
    message = verifier(scheme, clock).verify(BODY, signed(scheme, clock=clock))
    assert message == VerifiedMessage("msg_1", clock.time, BODY)
    assert "user" not in repr(message)  # what is signed may be a secret


@of_each_scheme
@pytest.mark.parametrize("body", [bytearray(BODY), memoryview(BODY)], ids=["bytearray", "memoryview"])
def test_bytes_of_any_kind_are_a_body(scheme: str, body: bytes) -> None:
    message = verified(scheme, body, signed(scheme, body))
    assert type(message.body) is bytes
    assert message.body == BODY


@of_each_scheme
def test_headers_are_a_mapping_or_pairs_in_any_case(scheme: str) -> None:
    receiver = verifier(scheme)
    raw = pairs(scheme)
    named = {name.decode().upper(): value.decode() for name, value in raw}
    for headers in (raw, named, Headers(named), [*named.items()], iter(raw), [(b"x", b"\xff"), *raw]):
        assert receiver.verify(BODY, headers).id == "msg_1"


@of_each_scheme
def test_a_header_that_is_missing_empty_or_there_twice_is_refused(scheme: str) -> None:
    receiver = verifier(scheme)
    raw = pairs(scheme)
    for at, (name, value) in enumerate(raw):
        without = [*raw[:at], *raw[at + 1 :]]
        for headers, reason in (
            (without, "is missing or empty"), ([*without, (name, b"")], "is missing or empty"),
            ([*raw, (name, value)], "is there twice"), ([*without, (name, b"\xe4")], "other characters than printable"),
            ([*without, (name, value + b"\x00")], "other characters than printable ASCII"),
        ):  # fmt: skip
            with pytest.raises(SignatureRefused) as refused:
                receiver.verify(BODY, headers)
            assert reason in refused.value.reason
            assert name.decode() in refused.value.reason


@of_each_scheme
def test_the_text_is_the_same_whatever_is_wrong(scheme: str) -> None:
    texts = set()
    for body, headers in ((BODY, {}), (b"", signed(scheme)), (BODY, dict.fromkeys(HEADERS[scheme], "x"))):
        with pytest.raises(SignatureRefused) as refused:
            verified(scheme, body, headers)
        texts.add(str(refused.value))
    assert texts == {GENERIC}


@of_each_scheme
@pytest.mark.parametrize("sign", [-1, 1], ids=["ahead", "behind"])
def test_the_window_is_five_minutes_both_ways(scheme: str, sign: int) -> None:
    theirs, ours = FakeClock(), FakeClock()
    headers = signed(scheme, clock=theirs)
    ours.jump_to(theirs.time + sign * timedelta(seconds=300))
    assert verifier(scheme, ours).verify(BODY, headers).sent_at == theirs.time
    ours.jump_to(theirs.time + sign * timedelta(seconds=301))
    with pytest.raises(SignatureRefused) as refused:
        verifier(scheme, ours).verify(BODY, headers)
    assert "301 s" in refused.value.reason


def test_the_url_is_signed_by_upstash_alone() -> None:
    with pytest.raises(SignatureRefused) as refused:
        verifier("upstash", url="http://127.0.0.1:8000/hooks").verify(BODY, signed("upstash"))
    assert refused.value.reason == (f"sub is '{URL}', and the url of the receiver 'http://127.0.0.1:8000/hooks'")
    assert verifier("standard", url="http://127.0.0.1:8000/hooks").verify(BODY, signed("standard")).id == "msg_1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "app.example"}, "url='app.example': expected the url that the sender sends to, such as https://app."),
        ({"url": "ftp://app.example"}, "the url that the sender sends to"),
        ({"url": "https://"}, "the url that the sender sends to"),
        ({"url": "https://app.example/a b"}, "the url that the sender sends to"),
        ({"url": "https://app.example/\n"}, "the url that the sender sends to"),
        ({"url": "https://user:pw@app.example/"}, r"url='https://\*\*\*@app.example/': expected the url that"),
        ({"url": "https://[::1"}, "the url that the sender sends to"),
        ({"url": None}, "url=None"),
        ({"scheme": "svix"}, "scheme='svix': expected 'standard' or 'upstash'"),
        ({"scheme": "upstash"}, "scheme='upstash': expected 'standard', which the keys are of"),
        ({"keys": "whsec_secret"}, r"keys='\*\*\*': expected SigningKeys\(current="),
        ({"clock": 7}, "clock=7: expected a clock"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        Verifier(**{"keys": KEYS["standard"], "url": URL, **arguments})
    arguments.pop("url", None)
    if arguments:
        with pytest.raises(InvalidOption, match=message):
            Signer(**{"keys": KEYS["standard"], **arguments})


@of_each_scheme
def test_what_is_no_request_is_an_error_of_the_program(scheme: str) -> None:
    with pytest.raises(InvalidOption, match="body='text': expected bytes, as they are sent and received"):
        verifier(scheme).verify("text", signed(scheme))  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="names and values as text or bytes, a mapping or pairs of them"):
        verifier(scheme).verify(BODY, {HEADERS[scheme][0]: 7})  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="headers=None: expected names and values"):
        verifier(scheme).verify(BODY, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match=r"body={.*: expected bytes"):
        verifier(scheme).verify(signed(scheme), BODY)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="body='text'"):
        Signer(KEYS[scheme], scheme=scheme).sign("text", message_id="msg_1", url=URL)  # type: ignore[arg-type]


@of_each_scheme
@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a~b", "ä", "a" * 201, "a\n", 7])
def test_an_id_that_could_be_cut_is_not_signed(scheme: str, message_id: str) -> None:
    expected = "1 to 200 printable ASCII characters other than a blank, a dot and a tilde"
    with pytest.raises(InvalidOption, match=expected):
        signed(scheme, message_id=message_id)


@of_each_scheme
def test_the_longest_id_comes_through(scheme: str) -> None:
    longest = "a" * 200
    assert verified(scheme, BODY, signed(scheme, message_id=longest)).id == longest


# Whatever comes in.


@of_each_scheme
@given(body=st.binary(max_size=40), drawn=st.data())
def test_no_bytes_raise_anything_else(scheme: str, body: bytes, drawn: st.DataObject) -> None:
    valid = dict(pairs(scheme))
    headers = [
        (name, drawn.draw(st.one_of(st.just(value), st.binary(max_size=60), any_text().map(lossy)), name.decode()))
        for name, value in valid.items()
    ]
    assert body == BODY or not is_accepted(scheme, body, headers)


def lossy(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def is_accepted(scheme: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    try:
        verifier(scheme).verify(body, headers)
    except SignatureRefused:
        return False
    return True


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), any_text()),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(any_text(), children, max_size=3)),
    max_leaves=8,
)


@given(
    header=st.one_of(st.just(b'{"alg":"HS256"}'), st.binary(max_size=30)),
    name=st.sampled_from([*claims()]),
    value=json_values,
)
def test_no_claim_raises_anything_else_although_its_key_is_right(header: bytes, name: str, value: object) -> None:
    payload = json.dumps({**claims(), name: value}).encode()
    accepted = is_accepted("upstash", BODY, [(b"upstash-signature", odd_token(header, payload).encode())])
    assert not accepted or name not in {"iss", "sub", "body"} or value == claims()[name]


@given(payload=st.binary(max_size=60))
def test_no_payload_raises_anything_else_although_its_key_is_right(payload: bytes) -> None:
    signature = odd_token(b'{"alg":"HS256"}', payload)
    assert not is_accepted("upstash", BODY, [(b"upstash-signature", signature.encode())])


# The log.


@of_each_scheme
def test_the_reason_is_in_the_log_escaped(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiojobs_lite.http")
    forged = dict.fromkeys(HEADERS[scheme], "x\nERROR all is lost \x1b[2J")
    assert verifier(scheme).admit(BODY, forged) is None
    assert verifier(scheme).admit(BODY, signed(scheme)) is not None
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith(f"a message to {URL} was refused: the header ")
    assert is_one_printed_line(text)


def test_what_a_signed_claim_says_is_escaped_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiojobs_lite.http")
    forged = odd_token(b'{"alg":"HS256"}', json.dumps(claims(iss="x\nERROR \u2028 \x1b[2J")).encode())
    assert verifier("upstash").admit(BODY, {"Upstash-Signature": forged}) is None
    assert is_one_printed_line(caplog.records[0].getMessage())


def test_no_key_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for scheme in SCHEMES:
        receiver = Verifier(SigningKeys.generate(scheme), url=URL, scheme=scheme)
        assert receiver.admit(BODY, signed(scheme)) is None
    assert len(caplog.records) == 2
    keys = [key for scheme in SCHEMES for key in KEYS[scheme].both]
    assert not [key for key in keys if key in caplog.text]


def test_the_clock_is_the_machines_unless_one_is_given() -> None:
    clock = FakeClock()
    headers = signed("standard", clock=clock)
    assert headers["webhook-timestamp"] == str(to_micros(clock.time) // 1_000_000)
    with pytest.raises(SignatureRefused):
        verified("standard", BODY, headers)

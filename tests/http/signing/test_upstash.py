"""Upstash's signature: each case by our receiver and by the official one of the package `qstash`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jwt
import pytest
from qstash.errors import SignatureError
from qstash.receiver import Receiver

from aiojobs_lite import InvalidOption
from aiojobs_lite.errors import SignatureRefused
from aiojobs_lite.http import SigningKeys, VerifiedMessage
from aiojobs_lite.http.signing.upstash import Upstash
from tests.helpers.signed import BODY, KEYS, URL, claims, odd_token, rs256_token, signed, token, verified, verifier

CURRENT, NEXT = KEYS["upstash"].both
OFFICIAL = Receiver(CURRENT, NEXT)
HS256 = b'{"alg":"HS256","typ":"JWT"}'

HUGE = f'"exp": -{"9" * 4_300}'


def is_accepted_officially(signature: str, body: bytes = BODY) -> bool:
    try:
        OFFICIAL.verify(signature=signature, body=body.decode(), url=URL)
    except (SignatureError, KeyError):  # the latter for a token without the hash of the body
        return False
    return True


def received(signature: str, body: bytes = BODY) -> VerifiedMessage:
    return verified("upstash", body, {"Upstash-Signature": signature})


def refusal(signature: str, body: bytes = BODY) -> str:
    with pytest.raises(SignatureRefused) as refused:
        received(signature, body)
    assert refused.value.__cause__ is None
    return refused.value.reason


@pytest.mark.parametrize("body", [BODY, b"", b"[]", "{'ä': '€'}".encode()])
def test_the_official_receiver_accepts_what_is_signed_here(body: bytes) -> None:
    signature = signed("upstash", body)["Upstash-Signature"]
    assert is_accepted_officially(signature, body)
    assert not is_accepted_officially(signature, body + b" ")


def test_what_is_signed_here_has_the_claims_of_the_reference() -> None:
    signature = signed("upstash")["Upstash-Signature"]
    now = int(time.time())
    found = jwt.decode(signature, CURRENT, ["HS256"], options={"verify_iat": False})
    assert jwt.get_unverified_header(signature) == {"alg": "HS256", "typ": "JWT"}
    assert {name: found[name] for name in ("iss", "sub", "nbf")} == {"iss": "Upstash", "sub": URL, "nbf": 0}
    assert abs(found["exp"] - now - 300) <= 5
    assert found["exp"] - found["iat"] == 360
    assert found["body"] == claims()["body"].rstrip("=")


def test_each_attempt_has_an_id_of_its_own_and_all_of_them_that_of_the_message() -> None:
    attempts = [signed("upstash") for _ in range(2)]
    ids = {jwt.decode(one["Upstash-Signature"], CURRENT, ["HS256"])["jti"] for one in attempts}
    assert len(ids) == 2
    assert {verified("upstash", BODY, one).id for one in attempts} == {"msg_1"}


class Case(NamedTuple):
    """A token, and what becomes of it; `official`: whether the official receiver accepts it."""

    make: Callable[[], str]
    body: bytes = BODY
    official: bool = False


def at(seconds: int) -> int:
    return int(time.time()) + seconds


ACCEPTED = {
    "by the current key": Case(lambda: token(claims()), official=True),
    "by the next key": Case(lambda: token(claims(), NEXT), official=True),
    "no body": Case(lambda: token(claims(b"")), b"", official=True),
    "text that is no ASCII": Case(lambda: token(claims("ä€".encode())), "ä€".encode(), official=True),
    "an id with dots": Case(lambda: token(claims(jti="jwt.7.a")), official=True),
    "the hash without padding": Case(lambda: token(claims(body=claims()["body"].rstrip("="))), official=True),
    "valid from 1970 on": Case(lambda: token(claims(nbf=0)), official=True),
    "a clock that is ahead": Case(lambda: token(claims(exp=at(500), nbf=at(200), iat=at(200)))),
}


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_what_upstash_signs_is_accepted(case: Case) -> None:
    signature = case.make()
    message = received(signature, case.body)
    decoded = jwt.decode(signature, options={"verify_signature": False})
    assert (message.id, message.body) == (decoded["jti"], case.body)
    assert round(message.sent_at.timestamp()) == decoded["exp"] - 300
    assert is_accepted_officially(signature, case.body) == case.official


REFUSED: dict[str, tuple[Case, str]] = {
    "by another key": (Case(lambda: token(claims(), SigningKeys.generate("upstash").current)), "none of these keys"),
    "expired": (Case(lambda: token(claims(exp=at(-10)))), "it was signed 31"),
    "valid for a year": (Case(lambda: token(claims(exp=at(31_536_000))), official=True), "after the clock of the"),
    "not valid yet": (Case(lambda: token(claims(nbf=at(400)))), "nbf lies more than 300 s after the clock of the rec"),
    "issued in the future": (Case(lambda: token(claims(iat=at(400)))), "iat lies more than 300 s after the clock of"),
    "for another url": (Case(lambda: token(claims(sub=URL + "/"))), f"sub is '{URL}/', and the url of the receiver '"),
    "for no url": (Case(lambda: token(claims(sub=None))), "sub is None, and the url of the receiver"),
    "by another issuer": (Case(lambda: token(claims(iss="upstash"))), "iss is 'upstash', and not 'Upstash'"),
    "another body": (Case(lambda: token(claims()), b"{}"), "the body is another one than was signed"),
    "no hash of a body": (Case(lambda: token(claims(body=None))), "the body is another one than was signed"),
    "a hash with a surrogate": (Case(lambda: token(claims(body="\ud800"))), "the body is another one than was signed"),
    "a number as its id": (Case(lambda: odd_token(HS256, json.dumps(claims(jti=7)).encode())), "jti is 7: 1 to 217 "),
    "no id": (Case(lambda: token(claims(jti=None)), official=True), "printable ASCII characters are expected"),
    "an empty id": (Case(lambda: token(claims(jti="")), official=True), "jti is ''"),
    "an id of two lines": (Case(lambda: token(claims(jti="a\nb")), official=True), r"jti is 'a\nb'"),
    "no expiry": (Case(lambda: token(claims(exp=None))), "exp is None, and no number"),
    "a text as its expiry": (Case(lambda: token(claims(exp="soon"))), "exp is 'soon', and no number"),
    "an expiry without an end": (Case(lambda: token(claims(exp=float("inf")))), "s after the clock of the receiver"),
    "an expiry of 4,300 digits": (
        Case(lambda: odd_token(HS256, json.dumps(claims(exp=0)).replace('"exp": 0', HUGE).encode())),
        "s before the clock of the receiver",
    ),
    "no algorithm": (Case(lambda: token(claims(), algorithm=None)), "it is no token"),
    "another algorithm": (
        Case(lambda: odd_token(b'{"alg":"HS384"}', json.dumps(claims()).encode(), digest="sha384")),
        "it is no token",
    ),
    "the confusion of algorithms": (Case(lambda: rs256_token(claims(), CURRENT)), "it is no token"),
    "an algorithm that is a list": (Case(lambda: odd_token(b'{"alg":["HS256"]}', b"{}")), "it is no token"),
    "garbage": (Case(lambda: "garbage"), "it is no token: DecodeError('Not enough segments')"),
    "two dots": (Case(lambda: ".."), "it is no token"),
    "a header of brackets": (Case(lambda: odd_token(b"[" * 100_000, b"{}")), "it is no token"),
    "claims of brackets": (Case(lambda: odd_token(HS256, b"[" * 100_000)), "it is no token: RecursionError"),
    "claims that are no JSON": (Case(lambda: odd_token(HS256, b"\xff")), "it is no token"),
    "claims that are no object": (Case(lambda: odd_token(HS256, b"[]")), "the claims of the token are no object"),
}


@pytest.mark.parametrize(("case", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_forged_is_refused(case: Case, reason: str) -> None:
    signature = case.make()
    assert reason in refusal(signature, case.body)
    assert is_accepted_officially(signature, case.body) == case.official


def test_a_token_with_the_signature_of_another_one_is_refused() -> None:
    head, other = token(claims(sub=URL + "/")).rpartition(".")[0], token(claims())
    assert refusal(f"{head}.{other.rpartition('.')[2]}") == "the token is signed with none of these keys"


def test_a_body_that_is_no_text_is_a_body() -> None:
    """The official receivers hash text, so that no such body verifies there."""
    body = bytes(range(256))
    assert verified("upstash", body, signed("upstash", body)).body == body


def test_one_key_is_enough() -> None:
    alone = SigningKeys(CURRENT)
    headers = {"upstash-signature": token(claims(), NEXT)}
    with pytest.raises(SignatureRefused):
        Upstash().verify(alone, BODY, headers, URL, at(0))
    assert Upstash().verify(alone, BODY, {"upstash-signature": token(claims())}, URL, at(0)).id == "jwt_7"


def test_without_pyjwt_the_scheme_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(InvalidOption, match=r'another scheme, or PyJWT installed: pip install "aiojobs_lite\[http\]"'):
        verifier("upstash")
    assert verifier("standard").verify(BODY, signed("standard")).id == "msg_1"


def test_the_id_of_a_message_cannot_be_cut_by_a_forger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells repeats from new messages is signed; the header `Upstash-Message-Id` is not, and is not read."""
    headers: dict[str, Any] = {**signed("upstash"), "Upstash-Message-Id": "msg_2"}
    assert verified("upstash", BODY, headers).id == "msg_1"

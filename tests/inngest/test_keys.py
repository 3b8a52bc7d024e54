"""Signing keys: bearer, signatures, and what is never shown. The vectors are those of the SDK of Python."""

from __future__ import annotations

import json
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inngest._internal import net, server_lib, transforms

from aiojobs_lite.errors import InvalidOption, SignatureRefused
from aiojobs_lite.inngest.keys import AppKeys, SigningKey, canonical_body

NOW = 1_767_225_600
CURRENT, FALLBACK, OTHER = "signkey-test-12345678", "signkey-prod-abcdef0123", "signkey-test-87654321"


def refusal(keys: AppKeys, body: bytes, signature: str | None, now: int = NOW) -> str:
    with pytest.raises(SignatureRefused) as caught:
        keys.verify(body, signature, now)
    return caught.value.reason


def test_the_bearer_is_a_hash_of_the_key_as_sdks_make_it() -> None:
    for key in (CURRENT, FALLBACK):
        assert SigningKey(key).bearer.endswith(transforms.hash_signing_key(key))
    assert AppKeys(CURRENT).bearer.startswith("signkey-test-b2ed")


@pytest.mark.parametrize("body", [b"", b"{}", '{"a":"ü"}'.encode()])
def test_a_signature_is_that_of_an_sdk(body: bytes) -> None:
    keys = AppKeys(CURRENT, FALLBACK)
    assert keys.sign(body, NOW) == net.sign_response(body, CURRENT, NOW)
    for key in (CURRENT, FALLBACK):
        signature = net.sign_response(body, key, NOW)
        assert isinstance(signature, str)
        keys.verify(body, signature, NOW + 300)
        keys.verify(body, signature, NOW - 300)


def test_an_sdk_takes_a_signed_call() -> None:
    body = canonical_body('{"b": 1.0, "a": [1e2, "ü\\u2028"]}')
    signature = AppKeys(CURRENT).sign(body, int(time.time()))
    checked = net.validate_request_sig(
        body=body, headers={"x-inngest-signature": signature}, mode=server_lib.ServerKind.CLOUD, signing_key=CURRENT,
        signing_key_fallback=None,
    )  # fmt: skip
    assert checked == CURRENT


def test_what_is_not_signed_so_now_is_refused_for_a_reason() -> None:
    keys, body = AppKeys(CURRENT, FALLBACK), b"{}"
    signature = keys.sign(body, NOW)
    form = "its header x-inngest-signature is not of the form t=...&s=..."
    assert refusal(keys, body, None) == refusal(keys, body, "") == "it has no header x-inngest-signature"
    for wrong in ("x", "t=1", "s=1", "t=x&s=1", "t=-1&s=1", "t=&s=", "t=1.5&s=1", f"t={'9' * 20}&s=1", "t=٣&s=1"):
        assert refusal(keys, body, wrong) == form
    old = "its signature is older than 5 minutes, or of the future: compare the clocks"
    for now in (NOW - 301, NOW + 301):
        assert refusal(keys, body, signature, now) == old
    none = "its signature is by none of the signing keys"
    assert refusal(keys, b"{ }", signature) == none
    assert refusal(keys, body, signature.replace(f"t={NOW}", f"t={NOW + 1}")) == none
    assert refusal(keys, body, AppKeys(OTHER).sign(body, NOW)) == none
    assert refusal(keys, body, f"t={NOW}&s=ü") == none


def test_a_bearer_is_that_of_one_of_the_keys() -> None:
    keys = AppKeys(CURRENT, FALLBACK)
    for key in (CURRENT, FALLBACK):
        assert keys.allows(f"Bearer {SigningKey(key).bearer}")
        assert keys.allows(f"bearer  {SigningKey(key).bearer} ")
        assert keys.allows(f"Bearer {transforms.hash_signing_key(key)}"), "as the SDK for Python says it"
    for other in (None, "", "Bearer undefined", f"Bearer {CURRENT}", SigningKey(CURRENT).bearer, "Bearer ü",
                  f"Bearer {SigningKey(OTHER).bearer}", f"Basic {SigningKey(CURRENT).bearer}",
                  f"Bearer {transforms.hash_signing_key(OTHER)}"):  # fmt: skip
        assert not keys.allows(other)


@pytest.mark.parametrize(
    "text", ["", "x", "signkey-test-", "signkey-test-123", "signkey-test-xyz", "signkey--12", "12345678", None, 7]
)
def test_what_is_no_key_is_refused_and_not_shown(text: object) -> None:
    with pytest.raises(InvalidOption) as caught:
        AppKeys(text)  # type: ignore[arg-type]  # on purpose
    assert str(caught.value).startswith("signing_key='***': expected a signing key of Inngest, such as signkey-prod-")


def test_a_key_is_never_shown() -> None:
    keys = AppKeys(CURRENT, FALLBACK)
    shown = f"{keys} {keys!r} {[keys]} {SigningKey(CURRENT)!r} {refusal(keys, b'', 't=1&s=1')}"
    assert shown.startswith("AppKeys(***) AppKeys(***) [AppKeys(***)] SigningKey(***)")
    assert "12345678" not in shown
    assert pickle.loads(pickle.dumps(keys)).allows(f"Bearer {keys.bearer}")


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(NUMBERS | st.text(st.characters(codec="utf-8")) | st.none() | st.booleans(), st.lists)


@given(value=st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES))
def test_the_one_form_of_a_body_is_that_of_the_sdk_and_stays_when_it_is_made_again(value: object) -> None:
    text = json.dumps(value)
    found = canonical_body(text)
    assert found == transforms.canonicalize(text.encode())
    assert canonical_body(found.decode()) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"), ("{", "Expecting property name"), ('{"a":NaN}', "NaN is no JSON"),
        ("1e400", "1e400 is a number that no double can hold"), (f"1{'0' * 400}", "int too large to convert to float"),
    ],
)  # fmt: skip
def test_what_has_no_one_form_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        canonical_body(text)

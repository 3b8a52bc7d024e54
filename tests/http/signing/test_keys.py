"""The keys: how they look, what is refused, a rotation that loses no message."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.http import Signer, SigningKeys, Verifier
from tests.helpers.signed import BODY, KEYS, SCHEMES, URL

PUBLIC = ("sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs")


def standard(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize(
    ("key", "scheme"),
    [(standard(24), "standard"), (standard(25).rstrip("="), "standard"), (standard(64), "standard"),
     ("sig_" + "a" * 28, "upstash"), ("sig_" + "a" * 200, "upstash")],
)  # fmt: skip
def test_the_scheme_of_a_key_is_that_of_its_prefix(key: str, scheme: str) -> None:
    assert SigningKeys(key).scheme == scheme


@pytest.mark.parametrize(
    "key",
    ["", "secret", "whsec_", standard(23), standard(65), "whsec_" + "ä" * 40, "whsec_" + "!" * 40, "sig_" + "a" * 27,
     "sig_" + "a" * 201, "sig_" + "a b" * 20, "sig_" + "ä" * 28, None, b"sig_" + b"a" * 28],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str) -> None:
    expected = "whsec_ and base64 of 24 to 64 bytes, or sig_ and 28 to 200 characters, such as of SigningKeys.generate"
    with pytest.raises(InvalidOption, match=expected) as refused:
        SigningKeys(key)
    assert (refused.value.option, refused.value.value) == ("current", "***")
    with pytest.raises(InvalidOption, match="next="):
        SigningKeys(standard(32), key or "")


def test_two_keys_are_of_one_scheme_and_differ() -> None:
    with pytest.raises(InvalidOption, match=r"next='\*\*\*': expected a key of the same scheme as the current one"):
        SigningKeys(standard(32), "sig_" + "a" * 28)
    with pytest.raises(InvalidOption, match=r"next='\*\*\*': expected another key than the current one"):
        SigningKeys(standard(32), standard(32))


@pytest.mark.parametrize("make", [
    lambda: SigningKeys(PUBLIC[0]),
    lambda: SigningKeys(SigningKeys.generate("upstash").current, PUBLIC[0]),
    lambda: SigningKeys(*PUBLIC),
    lambda: SigningKeys.generate("upstash").__class__(PUBLIC[1], SigningKeys.generate("upstash").current),
])  # fmt: skip
def test_the_public_keys_are_for_development_alone(make: Callable[[], SigningKeys]) -> None:
    with pytest.raises(InvalidOption, match=r"keys of your own: these are public\. On a developer's machine"):
        make()
    keys = SigningKeys.for_development()
    assert (keys.both, keys.is_development) == (PUBLIC, True)
    assert not SigningKeys.generate("upstash").is_development


def test_generated_keys_are_fresh() -> None:
    for scheme in SCHEMES:
        one, other = SigningKeys.generate(scheme), SigningKeys.generate(scheme)
        assert len({*one.both, *other.both}) == 4
        assert one.scheme == other.scheme == scheme
    with pytest.raises(InvalidOption, match="expected 'standard' or 'upstash'"):
        SigningKeys.generate("svix")


def test_no_key_is_shown() -> None:
    for keys in KEYS.values():
        assert all(key not in f"{keys!r} {keys}" for key in keys.both)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rotation_loses_no_message_whichever_side_is_first(scheme: str) -> None:
    """Sender and receiver are one rotation apart, and each understands the other."""
    before = SigningKeys.generate(scheme)
    after = before.rotated()
    assert (after.current, after.scheme) == (before.next, scheme)
    for sender, receiver in ((before, before), (after, before), (after, after)):
        headers = Signer(sender, scheme=scheme).sign(BODY, message_id="msg_1", url=URL)
        assert Verifier(receiver, url=URL, scheme=scheme).verify(BODY, headers).id == "msg_1"
    if scheme == "standard":  # the sender signs with both
        headers = Signer(before, scheme=scheme).sign(BODY, message_id="msg_1", url=URL)
        assert Verifier(after, url=URL, scheme=scheme).verify(BODY, headers).id == "msg_1"


def test_a_first_rotation_adds_a_key_and_keeps_the_one_that_receivers_know() -> None:
    alone = SigningKeys(standard(32))
    rotated = alone.rotated()
    assert alone.both == (rotated.current,)
    assert rotated.next is not None

"""Both official receivers accept what is signed here, and refuse what a forger makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiojobs_lite.http import Signer, SigningKeys
from tests.helpers.receivers import Message, by_javascript, by_python
from tests.helpers.rings import slow
from tests.helpers.signed import URL, claims, odd_token, rs256_token, token
from tests.helpers.waiting import MovedClock

KEYS: Final = SigningKeys.generate("upstash")
ROTATED: Final = KEYS.rotated()
BODY: Final = '{"user": 1}'
QUERY: Final = "https://app.example:8443/a%2Fb//c?d=%7E&e=[1]"


def signed(
    body: str | bytes = BODY, url: str = URL, keys: SigningKeys = KEYS, ahead: int = 0, *, message_id: str = "msg_1"
) -> str:
    """The signature of a sender, whose clock may be ahead."""
    clock = MovedClock()
    clock.offset = ahead
    signer = Signer(keys, scheme="upstash", clock=clock)
    content = body.encode() if isinstance(body, str) else body
    return signer.sign(content, message_id=message_id, url=url)["Upstash-Signature"]


def received(signature: str, body: str = BODY, url: str | None = URL, keys: SigningKeys = KEYS) -> Message:
    """What a receiver is given."""
    return Message(keys.both, signature, body, url)


def accepted() -> Iterator[tuple[str, Message]]:
    """What both accept."""
    bodies = {
        "JSON": BODY, "no body": "", "a form": "a=1&b=%20", "blanks and line breaks": " \r\n\t ",
        "text that is no ASCII": "{'ä': '€'}", "beyond the first plane": "🦉𝄞",
        "binary that is text": "\x00\x01\x7f\x80", "a byte order mark": "\ufeff{}", "a megabyte": "ä" * 524_288,
    }  # fmt: skip
    for name, body in bodies.items():
        yield name, received(signed(body), body)
    yield "the url is not given", received(signed(), url=None)
    yield "another url, and it is not given", received(signed(url=QUERY), url=None)
    yield "a url with a port and escapes", received(signed(url=QUERY), url=QUERY)
    yield "no body, and the url is not given", received(signed(""), "", None)
    yield "the sender has rotated, the receiver has not", received(signed(keys=ROTATED))
    yield "both have rotated", received(signed(keys=ROTATED), keys=ROTATED)
    yield "the clock of the sender is 50 s ahead", received(signed(ahead=50))
    yield "the clock of the sender is 290 s behind", received(signed(ahead=-290))
    yield "the longest id", received(signed(message_id="m" * 200))
    yield "an id of all that may be in one", received(signed(message_id="!#$%&()*+,-/:;<=>?@[]^_`{|}"))


def refused() -> Iterator[tuple[str, Message]]:
    """What both refuse."""
    head, payload, signature = signed().split(".")
    other_payload = signed("{}").split(".")[1]
    yield "another body", received(signed(), BODY + " ")
    yield "no body, though there was one", received(signed(), "")
    yield "bytes that are no text, which both read as text", received(signed(b"\xff"), b"\xff".decode(errors="replace"))
    yield "another url", received(signed(), url=URL + "/")
    yield "a url in another form", received(signed(url=QUERY), url=QUERY.replace("%7E", "~"))
    yield "the keys of another sender", received(signed(keys=SigningKeys.generate("upstash")))
    yield "a receiver that rotated before the sender", received(signed(), keys=ROTATED)
    yield "a sender that rotated twice", received(signed(keys=ROTATED.rotated()))
    yield "it expired", received(signed(ahead=-310))
    yield "no signature", received("")
    yield "a token without its signature", received(f"{head}.{payload}.")
    yield "the signature of another token", received(f"{head}.{other_payload}.{signature}", "{}")
    yield "no algorithm", received(token(claims(BODY.encode()), algorithm=None))
    valid = claims(BODY.encode())
    text = json.dumps(valid).encode()
    yield "the signature of another algorithm", received(odd_token(b'{"alg":"HS256"}', text, KEYS.current, "sha512"))
    yield "the confusion of algorithms", received(rs256_token(valid, KEYS.current))
    yield "an algorithm that there is not", received(odd_token(b'{"alg":"hs256"}', text, KEYS.current))
    yield "another issuer", received(token(claims(BODY.encode(), iss="upstash"), KEYS.current))
    yield "valid later only", received(token(claims(BODY.encode(), nbf=int(time.time()) + 60), KEYS.current))
    yield "an empty key", received(odd_token(b'{"alg":"HS256"}', text, ""))
    yield "an id for a signature", received("msg_1")


@slow
def test_both_official_receivers_accept_what_is_signed_here_and_refuse_what_is_forged(tmp_path: Path) -> None:
    good, bad = dict(accepted()), dict(refused())
    assert (len(good), len(bad)) == (19, 20)
    messages = [*good.values(), *bad.values()]
    for errors in (by_python(messages), by_javascript(messages, tmp_path)):
        found = dict(zip([*good, *bad], errors, strict=True))
        assert {name: error for name, error in found.items() if name in good and error is not None} == {}
        assert [name for name, error in found.items() if name in bad and error is None] == []

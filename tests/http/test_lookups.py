"""Lookups of hosts: one at a time for each, and a name server that hangs keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aiojobs_lite.http.lookups import Lookups, find_addresses
from tests.helpers.endpoints import delivering, endpoint
from tests.helpers.waiting import until


class NameServer:
    """Stands for the resolver of the system: some hosts hang.

    Attributes:
        asked: The hosts that were asked for.
        gate: Set: those that hang have no address.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()

    def getaddrinfo(self, host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith("hangs.example"):
            self.gate.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.gate.set()
    for thread in threading.enumerate():
        if thread.name == "aiojobs_lite find_addresses":
            thread.join()


async def test_lookups_of_one_host_at_once_are_one_and_the_next_asks_again(names: NameServer) -> None:
    lookups = Lookups()
    found = await asyncio.gather(*[lookups.resolve("a.example", 80) for _ in range(5)])
    assert names.asked == ["a.example"]
    assert {addresses[0]["host"] for addresses in found} == {"127.0.0.1"}
    assert len({id(addresses) for addresses in found}) == 5
    await lookups.resolve("a.example", 80)
    assert names.asked == ["a.example"] * 2


async def test_a_caller_that_gives_up_leaves_the_lookup_to_the_others(names: NameServer) -> None:
    lookups = Lookups()
    callers = [asyncio.ensure_future(lookups.resolve("hangs.example", 80)) for _ in range(2)]
    await until(lambda: names.asked == ["hangs.example"])
    callers[0].cancel()
    await asyncio.wait(callers[:1])
    names.gate.set()
    with pytest.raises(socket.gaierror, match="does not answer"):
        await callers[1]
    assert callers[0].cancelled()


async def test_what_hangs_is_left_alone_when_it_is_closed(names: NameServer) -> None:
    lookups = Lookups()
    caller = asyncio.ensure_future(lookups.resolve("hangs.example", 80))
    await until(lambda: names.asked == ["hangs.example"])
    await lookups.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_name_server_that_hangs_for_many_hosts_keeps_no_other_delivery_waiting(names: NameServer) -> None:
    async with endpoint() as server, delivering(timeout=0.2) as runner:
        port = server.url.rpartition(":")[2]
        stuck = [await runner.publish(f"http://{n}.hangs.example:{port}/", max_attempts=1) for n in range(40)]
        await until(lambda: len(names.asked) == len(stuck))
        handle = await runner.publish(f"http://quick.example:{port}/")
        assert (await handle.result("10s")).status == 200


def test_an_address_of_the_system_is_as_aiohttp_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    local = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 1))
    other = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [local, other])
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: ("fe80::1%eth0", "80"))
    assert [(one["host"], one["port"]) for one in find_addresses("a", 80, 0)] == [
        ("fe80::1%eth0", 80),
        ("2001:db8::1", 80),
    ]

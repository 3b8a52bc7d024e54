"""Where commands that serve listen."""

from __future__ import annotations

import pytest

from aiojobs_lite.cli.listening import is_of_this_machine


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_loopback_address_is_of_this_machine(host: str) -> None:
    assert is_of_this_machine(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org", "localhost.example.org", ""])
def test_any_other_may_be_reached_from_elsewhere(host: str) -> None:
    assert not is_of_this_machine(host)

"""Keys that lie in the database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.http import SigningKeys, Verifier
from aiojobs_lite.http.signing import stored_signer
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from tests.helpers.endpoints import endpoint, local

ONE = SigningKeys("sig_" + "a" * 28, "sig_" + "b" * 28)
OTHER = SigningKeys("sig_" + "c" * 28, "sig_" + "d" * 28)
URL = "https://app.example/hook"


def verifies(keys: SigningKeys, signer: StoredSigner) -> bool:
    headers = list(signer.sign(b"x", message_id="m", url=URL).items())
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return Verifier(keys, scheme="upstash", url=URL).admit(b"x", raw) is not None


@pytest.mark.parametrize("given", ["sig_" + "a" * 28, SigningKeys.generate()])
def test_other_keys_are_refused(given: Any) -> None:
    with pytest.raises(InvalidOption, match="SigningKeys of the scheme upstash, or None"):
        StoredSigner(given)


def test_it_signs_after_it_has_read_its_keys() -> None:
    with pytest.raises(InvalidOption) as refused:
        StoredSigner(ONE).sign(b"", message_id="m", url=URL)
    assert refused.value.expected == "its keys to be read before: await signer.refresh(documents)"


async def test_the_given_keys_replace_those_of_another_configuration_once(tmp_path: Path) -> None:
    async with JobRunner(tmp_path / "jobs.db") as runner:
        first = StoredSigner(ONE)
        assert await first.keys(runner.documents) == ONE
        rotated = await first.rotate(runner.documents)
        assert rotated.current == ONE.next
        assert await StoredSigner(ONE).keys(runner.documents) == rotated  # at the next start
        assert await StoredSigner(OTHER).keys(runner.documents) == OTHER
        assert await first.keys(runner.documents) == OTHER  # the latest start counts
        assert await StoredSigner().keys(runner.documents) == OTHER  # it was given none


async def test_two_applications_with_other_keys_say_so_once_each_and_show_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with JobRunner(":memory:") as runner:
        one, other, without = StoredSigner(ONE), StoredSigner(OTHER), StoredSigner()
        assert await one.keys(runner.documents) == await StoredSigner(ONE).keys(runner.documents) == ONE
        assert await without.keys(runner.documents) == ONE
        assert caplog.messages == []
        assert await other.keys(runner.documents) == OTHER
        advice = "receivers need the new ones; applications that run at once need the same keys, or a database each"
        replaced = "this application replaces the keys that sign messages, for the database had others"
        assert caplog.messages == [f"{replaced}: {advice}"]
        for signer in (one, one, other, without):
            assert await signer.keys(runner.documents) == OTHER
        lost = "another application of the database has replaced the keys that sign messages"
        assert caplog.messages == [f"{replaced}: {advice}", f"{lost}: {advice}"]
        await other.rotate(runner.documents)
        await one.keys(runner.documents)  # they are others again
        assert len(caplog.messages) == 3


async def test_without_given_keys_fresh_ones_are_made_and_those_of_development_mode_are_not_taken() -> None:
    public = SigningKeys.for_development()
    async with JobRunner(":memory:") as runner:
        made = await StoredSigner().keys(runner.documents)
        assert await StoredSigner().keys(runner.documents) == made
        assert await StoredSigner(public).keys(runner.documents) == public
        fresh = await StoredSigner().keys(runner.documents)
        assert not {fresh.current, fresh.next} & {public.current, public.next, made.current, made.next}


async def test_of_two_first_uses_at_once_both_have_the_same_keys() -> None:
    async with JobRunner(":memory:") as runner:
        found = await asyncio.gather(*(StoredSigner().keys(runner.documents) for _ in range(5)))
    assert len(set(found)) == 1


async def test_without_a_next_key_one_is_made() -> None:
    async with JobRunner(":memory:") as runner:
        found = await StoredSigner(SigningKeys(ONE.current)).keys(runner.documents)
    assert found.current == ONE.current
    assert found.next is not None


async def test_a_rotation_reaches_others_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(stored_signer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with JobRunner(":memory:") as runner:
        one, other = StoredSigner(ONE), StoredSigner(ONE)
        await other.refresh(runner.documents)
        rotated = await one.rotate(runner.documents)
        later = SigningKeys(rotated.current)  # the receivers have forgotten the old key
        now[0] += 4.9
        await other.refresh(runner.documents)
        assert not verifies(later, other)
        now[0] += 0.1
        await other.refresh(runner.documents)
        assert verifies(later, other)


async def test_deliveries_are_signed_with_them() -> None:
    async with endpoint() as receiver:
        http = local(qstash_signer=StoredSigner(ONE))
        async with JobRunner(":memory:", jobs=[http]) as runner:
            await (await runner.publish(receiver.url, content="x", rules="qstash")).result(timeout="20s")
        url = f"{receiver.url}/" if receiver.url.endswith("/") else receiver.url
    (got,) = receiver.received
    raw = [(name.encode(), value.encode()) for name, value in got.headers]
    assert Verifier(ONE, scheme="upstash", url=url).admit(b"x", raw) is not None
    assert Verifier(OTHER, scheme="upstash", url=url).admit(b"x", raw) is None


def test_it_is_like_one_with_the_same_keys() -> None:
    assert StoredSigner(ONE).is_like(StoredSigner(ONE))
    assert not StoredSigner(ONE).is_like(StoredSigner(OTHER))

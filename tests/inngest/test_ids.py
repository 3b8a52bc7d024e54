"""Ids of runs, events, attempts and steps."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.inngest import ids
from aiojobs_lite.model.columns import LARGEST_INTEGER
from tests.helpers.engine import claimed

NOW = 1_767_225_600_123_456
INSTANTS = st.integers(0, 4_000_000_000_000_000)
NUMBERS = st.integers(1, LARGEST_INTEGER)


@given(at=INSTANTS, number=NUMBERS)
def test_an_id_of_a_run_and_of_an_event_can_be_read_back_and_not_taken_for_each_other(at: int, number: int) -> None:
    run, event = ids.run_id(at, number), ids.event_id(at, number)
    assert (len(run), ids.job_of_run(run), ids.number_of(event)) == (26, number, number)
    assert run != event
    assert None in {ids.job_of_run(event), ids.number_of(run)} or ids.job_of_run(event) == number


@given(number=NUMBERS)
def test_ids_sort_by_their_instants(number: int) -> None:
    assert ids.run_id(NOW, number) < ids.run_id(NOW + 1_000, 1)


@pytest.mark.parametrize("text", ["", "x", "0" * 26, "8" * 26, "U" * 26, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "\u0661" * 26])
def test_a_ulid_of_another_origin_is_no_id(text: str) -> None:
    assert (ids.job_of_run(text), ids.number_of(text)) == (None, None)


def test_a_changed_id_is_none() -> None:
    run = ids.run_id(NOW, 7)
    changed = [run[:place] + ("0" if run[place] != "0" else "1") + run[place + 1 :] for place in range(26)]
    assert [one for one in changed if ids.job_of_run(one) is not None] == []


def test_a_ulid_begins_with_its_instant_and_is_never_the_same() -> None:
    made = {ids.fresh(NOW // 1000) for _ in range(100)}
    assert len(made) == 100
    assert {one[:10] for one in made} == {ids.ulid(NOW // 1000, 0)[:10]}
    assert ids.ulid(1_469_918_176_385, 0)[:10] == "01ARYZ6S41"  # of the specification of ULIDs


def test_events_of_a_seed_have_the_same_ids_again_one_after_the_other() -> None:
    seed = f"1767225600000,{base64.b64encode(bytes(range(10))).decode()}"
    first, second = ids.seeded_id(seed, 1), ids.seeded_id(seed, 2)
    assert (first, second) == (ids.seeded_id(seed, 1), ids.seeded_id(seed, 2))
    assert first == ids.ulid(1_767_225_600_000, int.from_bytes(bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 10]), "big"))
    assert first < second
    full = base64.b64encode(b"a" * 6 + b"\xff" * 4).decode()
    assert ids.seeded_id(f"1,{full}", 1) == ids.ulid(
        1, int.from_bytes(b"a" * 6 + b"\0" * 4, "big")
    )  # the last four alone


@pytest.mark.parametrize(
    "seed", ["", "1", "1,", "x,AAAAAAAAAAAAAA==", "1,AAAAAAAAAAAAAAAA", "1,A===============", "1,AA"]
)
def test_a_wrong_seed_is_refused(seed: str) -> None:
    with pytest.raises(InvalidOption, match="milliseconds since 1970, a comma and ten bytes in base64"):
        ids.seeded_id(seed, 1)


def test_an_attempt_is_read_back_of_its_item() -> None:
    item = ids.item_id(claimed(7, "shop-mail", attempt=2, owner="host/1 ü"))
    assert item.isascii()
    assert ids.item_of_text(item) == (7, 2, "host/1 ü")


@pytest.mark.parametrize(
    "text", ["", "x", "é", "bnVsbA", "W10", "WzEsMl0", "WzEsMiwzXQ", "W3RydWUsMSwiYSJd", "WzFlOTksMSwiYSJd"]
)
def test_other_text_is_no_item(text: str) -> None:
    assert ids.item_of_text(text) is None


def test_an_item_of_a_number_that_no_database_has_is_none() -> None:
    text = base64.urlsafe_b64encode(b'[%d,1,"a"]' % 2**64).decode().rstrip("=")
    assert ids.item_of_text(text) is None


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("", "ab"), ("send mail", "ab send mail"), ("a\n\x1b[1mb\x00 #2", "ab a [1mb 2"), (" \u2028 ", "ab"),
        ("x" * 300, f"ab {'x' * 97}..."), ("ü🚀", "ab ü🚀"),
    ],
)  # fmt: skip
def test_the_name_of_an_operation_has_the_id_of_the_sdk_and_words_for_people(shown: str, name: str) -> None:
    assert ids.step_name("ab", shown) == name
    for one in (name, ids.name_again(name, 2)):
        assert ids.step_hash_of(one) == "ab"
    assert ids.shown_name(name) == (name.removeprefix("ab ") or "ab")
    assert len(ids.own_name("if", ids.name_again(ids.step_name("a" * ids.LONGEST_STEP_HASH_CHARS, shown), 99))) <= 200


def test_names_of_the_driver_are_those_of_no_step() -> None:
    assert (ids.own_name("end"), ids.own_name("if", "ab")) == ("~end", "~if ab")
    assert not ids.is_hash("~end")


@pytest.mark.parametrize(
    ("given", "is_one"), [("a" * 40, True), ("", False), ("a b", False), (None, False), (7, False)]
)
def test_the_id_of_a_step_has_no_blank_and_is_not_long(given: object, is_one: bool) -> None:
    assert ids.is_hash(given) is is_one
    assert not ids.is_hash("a" * 81)

"""One text for the same values, another for others."""

from __future__ import annotations

from aiojobs_lite.model.keys import canonical


def test_equal_values_have_one_text_and_others_another() -> None:
    assert canonical(("a", 1)) == canonical(["a", 1]) == '["a",1]'
    values: list[tuple[str | int | None, ...]] = [
        ("1",),
        (1,),
        (True,),
        (None,),
        (),
        ("",),
        ("a,b",),
        ("a", "b"),
        ("é",),
    ]
    texts = {canonical(one) for one in values}
    assert len(texts) == len(values)
    assert canonical(("é",)) == '["é"]'

"""What a delivery returns."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.delivery import DeliveryResult


def test_an_answer_is_read_as_bytes_as_json_and_by_its_headers() -> None:
    result = DeliveryResult(200, (("X-A", "1"), ("x-a", "2")), '{"a":"ü"}', 0.1)
    assert result.content == '{"a":"ü"}'.encode()
    assert result.json() == {"a": "ü"}
    assert (result.header("X-a"), result.header("X-B")) == ("1", None)


def test_an_answer_that_is_no_text_is_base64() -> None:
    result = DeliveryResult(200, (), "/wA=", 0.1, is_base64=True)
    assert result.content == b"\xff\x00"
    with pytest.raises(ValueError, match="Expecting value"):
        result.json()

"""The mark of parameters that the runner fills."""

from __future__ import annotations

import copy
import pickle

from aiojobs_lite.handlers.injection import injected


def test_injected_is_one_mark_with_a_name() -> None:
    assert repr(injected) == "injected"
    assert copy.copy(injected) is injected
    assert copy.deepcopy(injected) is injected
    assert pickle.loads(pickle.dumps(injected)) is injected

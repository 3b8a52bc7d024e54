"""The writes of the model machine that are about documents."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.documents import DeleteDocument, Expected, PruneDocuments, PutDocument
from aiojobs_lite.model.writes import Write
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import Step, steps

names = st.sampled_from("xy")
expectations = st.sampled_from(["any", "absent", 1, 2])


class DocumentRules(RuleBasedStateMachine):
    """The writes of documents; a machine gets them with its own."""

    @property
    def now(self) -> int:
        """The instant of the machine."""
        raise NotImplementedError

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(name=names, expected=expectations, lasts=st.sampled_from([None, 0, 30]), step=steps)
    def put_document(self, name: str, expected: Expected, lasts: int | None, step: Step) -> None:
        expires_at = None if lasts is None else self.now + lasts * SECOND
        self.put(PutDocument("k", name, "{}", expires_at, expected), step)

    @rule(name=names, expected=expectations, step=steps)
    def delete_document(self, name: str, expected: Expected, step: Step) -> None:
        self.put(DeleteDocument("k", name, expected), step)

    @rule(limit=st.integers(0, 2), step=steps)
    def prune_documents(self, limit: int, step: Step) -> None:
        self.put(PruneDocuments(limit), step)

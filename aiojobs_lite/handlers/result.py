"""What handlers return, as JSON both ways."""

from __future__ import annotations

from typing import Any, Never, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from aiojobs_lite.handlers.json_types import explain, find_lost, list_problems, make_adapter


class Result:
    """What the handler of one job type returns, as JSON both ways.

    Args:
        job_type: The name of the job type, for errors.
        annotation: What the handler says that it returns.

    Raises:
        InvalidJobType: If the return annotation cannot be stored as JSON.
    """

    def __init__(self, job_type: str, annotation: Any) -> None:
        shown: Any = None if annotation in {Never, NoReturn} else annotation
        advice = ", or declare it with keep_result=False"
        self._adapter = make_adapter(job_type, "its result", lambda: TypeAdapter(shown), advice, mode="serialization")

    def dump(self, value: Any) -> str:
        """The JSON of a value.

        Raises:
            ValueError: If it cannot be stored as JSON.
        """
        try:
            stored = self._adapter.serializer.to_json(value, warnings="error", by_alias=False, round_trip=True).decode()
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            kind = type(value).__qualname__
            raise ValueError(f"this {kind} does not fit the return annotation: {explain(error)}") from None
        lost = find_lost(self._adapter, value, stored)
        if lost is not None:
            raise ValueError(": ".join(lost))
        return stored

    def load(self, stored: str) -> Any:
        """The value of stored JSON.

        Raises:
            ValueError: If it does not fit the annotation.
        """
        try:
            return self._adapter.validator.validate_json(stored, by_alias=True, by_name=True)
        except ValidationError as error:
            raise ValueError(
                "; ".join(f"{path}: {message}" for path, message in list_problems(error, "result"))
            ) from None

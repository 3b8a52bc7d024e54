"""What handlers return, as JSON both ways."""

from __future__ import annotations

from typing import Any, Final, Never, NoReturn

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from aiojobs_lite.handlers.json_types import explain, find_lost, has_huge_number, list_problems, make_adapter
from aiojobs_lite.handlers.read_back import find_changed, is_anything, is_exact
from aiojobs_lite.sizes import LARGEST_RESULT_BYTES, MOST_DIGITS

_TEXTS: Final = (str, bytes)


class Result:
    """What the handler of one job type returns, as JSON both ways.

    Args:
        job_type: The name of the job type, for errors.
        annotation: What the handler says that it returns.
        largest: Most bytes of a result.

    Raises:
        InvalidJobType: If the return annotation cannot be stored as JSON.
    """

    smaller = "Store the data elsewhere and return its path or key, or declare the job with a larger largest_result="
    otherwise = ", or declare it with keep_result=False"

    def __init__(self, job_type: str, annotation: Any, largest: int = LARGEST_RESULT_BYTES) -> None:
        shown: Any = None if annotation in {Never, NoReturn} else annotation
        self._adapter = make_adapter(job_type, "its result", shown, self.otherwise, mode="serialization")
        self._largest = largest
        schema = self._adapter.core_schema
        self._is_exact = schema["type"] == "any" or is_exact(schema)
        self._takes_anything = is_anything(schema)

    def dump(self, value: Any) -> str:
        """The JSON of a value.

        Raises:
            ValueError: If it cannot be stored as JSON, or is too large.
        """
        if isinstance(value, _TEXTS):  # to write a large one would take its time
            self.check_size(len(value))
        try:
            encoded = self._adapter.serializer.to_json(value, warnings="error", by_alias=False, round_trip=True)
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            reason = explain(error)
            fault = "does not fit the return annotation" if reason.endswith("was expected") else "is no JSON"
            raise ValueError(f"this {type(value).__qualname__} {fault}: {reason}") from None
        self.check_size(len(encoded))
        stored: str = encoded.decode()
        lost = find_lost(self._adapter, value, stored)
        if lost is not None:
            raise ValueError(": ".join(lost))
        if has_huge_number(encoded):
            raise ValueError(f"a number of more than {MOST_DIGITS:,} digits cannot be read back. Return it as text")
        if not self._is_exact:
            changed = find_changed(value, self.load(stored), plain=self._takes_anything)
            if changed is not None:
                raise ValueError(f"{': '.join(changed)}. Annotate what the handler returns with its type")
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

    def check_size(self, size: int) -> None:
        """Checks how many bytes a result has.

        Raises:
            ValueError: If they are too many, with the limit and what to do.
        """
        if size > self._largest:
            raise ValueError(f"it has {size:,} bytes, at most {self._largest:,} are stored. {self.smaller}")

"""What an app sends, read whatever the case of its names is: the SDKs write them each in their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from aiojobs_lite.errors import InvalidOption

T = TypeVar("T")


class Given:
    """An object of a registration, whose names are read in any case. Null, an empty list and an empty object are the
    same as to leave a name out.

    Args:
        value: The object.
        where: What it is, for errors.

    Raises:
        InvalidOption: If it is no object.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidOption(where, value, "an object")
        self.where = where
        self._values = {str(name).lower(): one for name, one in value.items()}

    def get(self, name: str) -> Any:
        """A value, or None."""
        found = self._values.get(name.lower())
        return None if found in (None, "", [], {}) and found is not False and found != 0 else found

    def values(self) -> Collection[Any]:
        """All values."""
        return self._values.values()

    def of(self, name: str, read: Callable[[Any, str], T]) -> T | None:
        """A value as it is read, or None."""
        found = self.get(name)
        return None if found is None else read(found, f"{self.where}.{name}")

    def needs(self, name: str, read: Callable[[Any, str], T]) -> T:
        """A value that has to be there.

        Raises:
            InvalidOption: If it is not.
        """
        found = self.of(name, read)
        if found is None:
            raise InvalidOption(f"{self.where}.{name}", None, "a value: it is missing")
        return found

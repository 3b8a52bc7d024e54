"""Names that clients give: of queues, of URL groups and their endpoints, of schedules."""

from __future__ import annotations

import re
from typing import Final

from aiojobs_lite.errors import InvalidOption

LONGEST_GIVEN_NAME_CHARS: Final = 150
_NAME: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST_GIVEN_NAME_CHARS}}}")


def given_name(option: str, name: object) -> str:
    """A name.

    Args:
        option: What it is the name of.
        name: The name.

    Raises:
        InvalidOption: If it cannot be one.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidOption(option, name, f"1 to {LONGEST_GIVEN_NAME_CHARS} letters, digits, -, _ and .")
    return name

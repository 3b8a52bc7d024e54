"""From the connection or session that a caller has to the connection of the driver below it.

SQLAlchemy is not imported: an object of it can only be there if the caller has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiojobs_lite.errors import TransactionRefused

_Kinds = tuple[tuple[str, str], ...]  # module and name of each
_SESSIONS: Final[_Kinds] = (("sqlalchemy.orm", "Session"), ("sqlalchemy.orm", "scoped_session"))
_CONNECTIONS: Final[_Kinds] = (("sqlalchemy.engine", "Connection"),)
_ASYNC_SESSIONS: Final[_Kinds] = (
    ("sqlalchemy.ext.asyncio", "AsyncSession"), ("sqlalchemy.ext.asyncio", "async_scoped_session"),
)  # fmt: skip
_ASYNC_CONNECTIONS: Final[_Kinds] = (("sqlalchemy.ext.asyncio", "AsyncConnection"),)


async def driver_connection(given: Any) -> object:
    """The connection of the driver; what is none of SQLAlchemy's is given back.

    A transaction of SQLAlchemy that is not begun yet is begun, as by a statement.

    Raises:
        TransactionRefused: If SQLAlchemy refuses.
    """
    if not (_is(given, _ASYNC_SESSIONS) or _is(given, _ASYNC_CONNECTIONS)):
        return driver_connection_blocking(given)
    with _refused():
        connection = await given.connection() if _is(given, _ASYNC_SESSIONS) else given
        if not connection.in_transaction():
            await connection.begin()
        driver: object = (await connection.get_raw_connection()).driver_connection
        return driver


def driver_connection_blocking(given: Any) -> object:
    """The same without an event loop."""
    if not (_is(given, _SESSIONS) or _is(given, _CONNECTIONS)):
        return given
    with _refused():
        connection = given.connection() if _is(given, _SESSIONS) else given
        if not connection.in_transaction():
            connection.begin()
        driver: object = connection.connection.driver_connection
        return driver


def _is(given: object, kinds: _Kinds) -> bool:
    found = [getattr(sys.modules.get(module), name, None) for module, name in kinds]
    return isinstance(given, tuple(kind for kind in found if isinstance(kind, type)))


@contextmanager
def _refused() -> Iterator[None]:
    """Raises an error of SQLAlchemy as one of the library."""
    base: Any = getattr(sys.modules.get("sqlalchemy.exc"), "SQLAlchemyError", ())
    try:
        yield
    except base as error:
        problem = " ".join(str(error).split())
        raise TransactionRefused("not usable", f"SQLAlchemy says: {problem}") from error

"""The values of limits: for all keys, and for those that have values of their own. A paused limit allows none."""

from __future__ import annotations

from typing import Final, NamedTuple

from aiojobs_lite.model.limits import END, ChangeLimit, PauseLimit, StoredLimit, limit_of, meter_key
from aiojobs_lite.stores.sqlite.limit_rows import LimitRows

ALL_KEYS: Final = ""  # stands in the table for all keys that have no value of their own; it is no JSON
_MOST_KNOWN: Final = 20_000  # keys with values of their own, or without, kept in memory
_NOTE_USE_US: Final = 86_400_000_000  # between two notes that code has set the value of a key again


class _Row(NamedTuple):
    """A row of the table of limits."""

    most: int | None
    per: int | None
    pinned: int
    paused_since: int | None
    set_at: int


_NOTHING: Final = _Row(None, None, 0, None, 0)


class StoredLimits:
    """The limits of one database, as one connection knows them.

    Args:
        rows: Their rows, in the open transaction.

    Attributes:
        stored: By name, what counts for all keys; of a paused one it is that none may run.
        has_rates: Whether any is a rate.
    """

    def __init__(self, rows: LimitRows) -> None:
        self._rows = rows
        # By meter, of those that were looked up: what counts for a key alone, and when it was set.
        self._own: dict[str, tuple[StoredLimit | None, int]] = {}
        self._has_own = False
        self.stored: dict[str, StoredLimit] = {}
        self.has_rates = False

    def of(self, meter: str, name: str) -> StoredLimit | None:
        """What counts for a meter of a limit now; None: it is not limited."""
        stored = self.stored.get(name)
        if not self._has_own or stored is None or not stored.most:
            return stored
        if meter not in self._own:
            if len(self._own) > _MOST_KNOWN:
                self._own.clear()
            self._own[meter] = self._read_own(meter)
        return self._own[meter][0] or stored

    def set(self, limit: StoredLimit) -> _Row | None:
        """See `SetLimits`; returns what was stored before, empty if nothing was; None: it stays as it is."""
        key = ALL_KEYS if limit.key is None else limit.key
        if limit.key is not None:
            meter = f"{limit.name}{END}{key}"
            known = self.of(meter, limit.name)
            if known is not None and known[:3] == limit[:3]:
                self._note_use(meter, limit.name, key)
                return None
            if limit.name not in self.stored:
                key = ALL_KEYS
        row = self._row(limit.name, key) or _NOTHING
        if row.pinned or (row.most, row.per) == (limit.most, limit.per):
            return None
        self._store_limit(key, limit.name, limit.most, limit.per, is_pinned=False)
        self.load()
        return row

    def change(self, write: ChangeLimit) -> bool:
        """See `ChangeLimit`."""
        of_all = self._row(write.name, ALL_KEYS)
        if of_all is None:
            return False
        key = ALL_KEYS if write.key is None else write.key
        row = self._row(write.name, key) or _NOTHING
        if write.most is not None:
            per = None if of_all.per is None else write.per or row.per or of_all.per
            self._store_limit(key, write.name, write.most, per, is_pinned=write.is_pinned)
        elif write.key is None:
            self._store_limit(key, write.name, of_all.most, of_all.per, is_pinned=write.is_pinned)
        else:
            self._rows.run("forget_key", (key, write.name))
            self._rows.run("forget_value", (key, write.name))
        self.load()
        return True

    def pause(self, write: PauseLimit) -> bool:
        """See `PauseLimit`."""
        if self._row(write.name, ALL_KEYS) is None:
            return False
        key = ALL_KEYS if write.key is None else write.key
        if write.paused:
            values = {"key": key, "name": write.name, "now": self._rows.now, "by": write.by, "until": write.until}
            self._rows.run("pause_limit", values)
            if write.key is not None:
                self._rows.run("pause_key", values)
        else:
            self._resume(write.name, key)
        self.load()
        return True

    def end_pauses(self, most: int) -> list[tuple[str, str | None]]:
        """Ends the pauses whose instant has come, at most so many; returns the name and key of each."""
        ended: list[tuple[str, str]] = self._rows.all("ended_pauses", (self._rows.now, most))
        for name, key in ended:
            self._resume(name, key)
        if ended:
            self.load()
        return [(name, None if key == ALL_KEYS else key) for name, key in ended]

    def move_pauses_back(self, tolerance: int) -> None:
        """The clock was set right: pauses that began while it was ahead last as long as they were to."""
        self._rows.run("move_pauses_back", {"now": self._rows.now, "ahead": self._rows.now + tolerance})
        self._rows.is_changed = True

    def next_resume(self) -> int | None:
        """When the next pause ends by itself; None: none does."""
        at: int | None = self._rows.all("next_resume")[0][0]
        return at

    def _resume(self, name: str, key: str) -> None:
        self._rows.run("forget_pause", (key, name))
        self._rows.run("resume_limit", (key, name))

    def load(self) -> None:
        """Reads them, as they are for all keys."""
        self._rows.is_changed = True
        rows = self._rows.all("limit_values")
        self.stored = {name: StoredLimit(name, most, per) for name, most, per in rows}
        self.has_rates = any(per is not None for _, _, per in rows)
        self._own.clear()
        self._has_own = bool(rows) and bool(self._rows.all("any_own_limit"))

    def _row(self, name: str, key: str) -> _Row | None:
        found = self._rows.all("limit_row", (key, name))
        return _Row(*found[0]) if found else None

    def _store_limit(self, key: str, name: str, most: int | None, per: int | None, *, is_pinned: bool) -> None:
        stored = {"key": key, "name": name, "most": most, "per": per, "pinned": int(is_pinned), "now": self._rows.now}
        self._rows.run("set_limit", stored)

    def _read_own(self, meter: str) -> tuple[StoredLimit | None, int]:
        name = limit_of(meter)
        row = self._row(name, meter_key(meter))
        if row is None:
            return None, self._rows.now
        if row.paused_since is not None or row.most is None:
            return StoredLimit(name, 0), row.set_at
        return StoredLimit(name, row.most, row.per), row.set_at

    def _note_use(self, meter: str, name: str, key: str) -> None:
        """Notes that code has set the value of a key again, which is kept for that."""
        own, set_at = self._own.get(meter, (None, 0))
        if own is not None and self._rows.now - set_at > _NOTE_USE_US:
            self._rows.run("note_use", {"name": name, "key": key, "now": self._rows.now})
            self._own[meter] = own, self._rows.now
            self._rows.is_changed = True

"""Power cuts: from the system calls of a life to the files that a cut at any instant can leave.

What a file system promises, and no more:

- A write that had returned before a sync of its file began is there when that sync has returned.
- Of all other writes that were begun each may be there, be lost, or be torn: some of its sectors are there. None has to
  wait for another, not of the same file either.
- A name in the folder is as it was when the folder was synced last, or as any of the changes since then made it.

Usage: power_cuts.py RECORDING FOLDER AT SEED MODE: brings one cut back, as a failure prints it, in a new folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final, Literal, NamedTuple

from aiojobs_lite.stores.base import Durability
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

SECTOR = 512
ACKNOWLEDGED = "acknowledged"  # the name of the file with what was acknowledged
WHOLE = 10**6  # characters of a string that strace prints
CALLS = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,\
sync_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,close"
Mode = Literal["kept", "folder", "log", "database"]
"""Which syncs count: all that were recorded, or all but those of one place. The last three are mutations."""
_IGNORED: Final = {"kept": None, "folder": "", "log": "jobs.db-wal", "database": "jobs.db"}


class Call(NamedTuple):
    """A system call that changes a file or the folder, or makes it durable.

    Attributes:
        begin: Before which line of the recording it had not begun.
        end: At which line it had returned.
        what: `create`, `unlink`, `write`, `truncate`, `sync`, or `acknowledge`.
        name: Of the file; empty: of the folder.
        file: Its number; a file that is created anew under an old name is another one. -1: the folder.
        offset: Where a write begins, or the size that a file is cut to.
        data: What is written.
    """

    begin: int
    end: int
    what: str
    name: str
    file: int
    offset: int = 0
    data: bytes = b""

    def __str__(self) -> str:
        where = f" {len(self.data)} bytes at {self.offset}" if self.what == "write" else ""
        return f"{self.begin}: {self.what} {self.name or 'the folder'}{where}"


@dataclass(frozen=True)
class Cut:
    """The instant of a cut.

    Attributes:
        at: The line of the recording before which it happens.
        seed: Of what it leaves.
        mode: Which syncs count.
    """

    at: int
    seed: int
    mode: Mode = "kept"


@dataclass
class State:
    """What a cut leaves.

    Attributes:
        files: By name.
        acknowledged: The lines that were acknowledged before it.
        story: What became of the writes that were not synced, a line a file.
    """

    files: dict[str, bytes]
    acknowledged: list[list[str]]
    story: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Writes the files into a folder."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def record(folder: Path, durability: Durability) -> Path:
    """Lives once under strace; returns its log. The files lie in `folder/life`."""
    life, log = folder / "life", folder / "recording"
    life.mkdir()
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qqq", "-y", "-xx", "-s", str(WHOLE), "-e", f"trace={CALLS}",
         "-e", "signal=none", "-o", log, sys.executable, "-m", "tests.helpers.apps.power_life", life, durability],
        check=True, cwd=ROOT, env=unmeasured(), timeout=120,
    )  # fmt: skip
    return log


# From the log to calls.

_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_UNFINISHED = " <unfinished ...>"
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?")
_DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
_TEXT = re.compile(r'"([^"]*)"(\.\.\.)?')


def parse(lines: Sequence[str], folder: Path) -> list[Call]:
    """The calls about the files of a folder, in the order in which they began."""
    return sorted(_Parser(folder).parse(lines))


class _Parser:
    """Follows descriptors and names through a log of strace."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._open: dict[int, int] = {}  # the file of each descriptor
        self._named: dict[str, int] = {}  # the file of each name
        self._count = 0

    def parse(self, lines: Sequence[str]) -> Iterator[Call]:
        begun: dict[str, tuple[int, str]] = {}  # by thread
        for number, line in enumerate(lines):
            matched = _LINE.match(line)
            assert matched, line
            thread, text = matched.groups()
            begin = number
            if text.endswith(_UNFINISHED):
                begun[thread] = number, text.removesuffix(_UNFINISHED)
                continue
            if resumed := _RESUMED.match(text):
                begin, text = begun.pop(thread)
                text += resumed[2]
            if call := _CALL.match(text):
                yield from self._of(begin, number, *call.groups())

    def _of(self, begin: int, end: int, name: str, given: str, returned: str, opened: str | None) -> Iterator[Call]:
        if int(returned) < 0:
            return
        if opened is not None:
            yield from self._opened(begin, end, int(returned), _path(opened), given)
            return
        descriptor = _DESCRIPTOR.match(given)
        path = _path(descriptor[2] if descriptor else _TEXT.findall(given)[0][0])
        if descriptor is None or name == "unlinkat":
            path = _path(_TEXT.findall(given)[0][0])
        own = self._name(path)
        if own is None or own.endswith("-shm"):
            return  # the memory that processes share is made anew after a cut
        if descriptor is None or name == "unlinkat":
            assert name in {"unlink", "unlinkat"}, f"a call that the model does not know: {name} {path}"
            yield Call(begin, end, "unlink", own, self._named.pop(own))
        else:
            yield from self._done(begin, end, name, own, self._open[int(descriptor[1])], given)

    def _opened(self, begin: int, end: int, descriptor: int, path: str, given: str) -> Iterator[Call]:
        name = self._name(path)
        if name is None:
            return
        if not name:
            self._open[descriptor] = -1
            return
        assert "O_TRUNC" not in given, "a call that the model does not know: O_TRUNC"
        if name not in self._named:
            self._named[name] = self._count
            self._count += 1
            if not name.endswith("-shm"):
                yield Call(begin, end, "create", name, self._named[name])
        self._open[descriptor] = self._named[name]

    @staticmethod
    def _done(begin: int, end: int, name: str, own: str, file: int, given: str) -> Iterator[Call]:
        if name in {"fsync", "fdatasync"}:
            yield Call(begin, end, "sync", own, file)
        elif name == "ftruncate":
            yield Call(begin, end, "truncate", own, file, int(given.rpartition(", ")[2]))
        elif name in {"write", "pwrite64"}:
            ((text, is_cut),) = _TEXT.findall(given)
            assert not is_cut, "strace has left out a part of what was written"
            data = bytes.fromhex(text.replace("\\x", ""))
            if own == ACKNOWLEDGED:
                yield Call(begin, end, "acknowledge", own, file, data=data)
            else:
                assert name == "pwrite64", f"a call that the model does not know: {name} {own}"
                yield Call(begin, end, "write", own, file, int(given.rpartition(", ")[2]), data)
        else:
            assert name == "close", f"a call that the model does not know: {name} {own}"

    def _name(self, path: str) -> str | None:
        """The name of a file of the folder; empty for the folder itself."""
        folder, _, name = path.partition(self._folder)
        if folder or (name and not name.startswith("/")):
            return None
        return name.removeprefix("/").removesuffix(" (deleted)")


def _path(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


# From calls to what a cut leaves.


def cuts(calls: Sequence[Call], count: int, drawn: Random, mode: Mode = "kept") -> Iterator[Cut]:
    """So many cuts: a third right behind something that was acknowledged, a third while the database itself is written,
    a third anywhere.
    """
    moments = [
        [call.begin + 1 for call in calls if call.what == "acknowledge"],
        [call.end for call in calls if call.name == "jobs.db"],
        [call.end for call in calls],
    ]
    for number in range(count):
        yield Cut(drawn.choice(moments[number % len(moments)]), drawn.randrange(2**32), mode)


def state_after(calls: Sequence[Call], cut: Cut) -> State:
    """What a cut leaves: one of the many states, the one of its seed."""
    drawn = Random(cut.seed)
    begun = [call for call in calls if call.begin < cut.at]
    syncs: defaultdict[int, int] = defaultdict(int)  # by file: what had returned before is durable
    for call in begun:
        if call.what == "sync" and call.end < cut.at and call.name != _IGNORED[cut.mode]:
            syncs[call.file] = max(syncs[call.file], call.begin)
    state = State({}, [call.data.decode().split() for call in begun if call.what == "acknowledge"])
    for name, file in _names(begun, syncs[-1], drawn).items():
        changes = [call for call in begun if call.file == file and call.what in {"write", "truncate"}]
        durable = [call for call in changes if call.end < syncs[file]]
        content, story = _content(durable, [call for call in changes if call.end >= syncs[file]], drawn)
        state.files[name] = content
        state.story.append(f"{name} ({len(content)} bytes): {story}")
    return state


def _names(begun: Sequence[Call], synced: int, drawn: Random) -> dict[str, int]:
    """The names in the folder: each as the last sync left it, or as one of the changes since then did."""
    by_name: defaultdict[str, list[Call]] = defaultdict(list)
    for call in begun:
        if call.what in {"create", "unlink"} and call.name != ACKNOWLEDGED:
            by_name[call.name].append(call)
    how = drawn.choice(["old", "new", "any"])
    found: dict[str, int] = {}
    for name, changes in by_name.items():
        durable = sum(call.end < synced for call in changes)
        kept = {"old": durable, "new": len(changes), "any": drawn.randint(durable, len(changes))}[how]
        if kept and changes[kept - 1].what == "create":
            found[name] = changes[kept - 1].file
    return found


def _content(durable: Sequence[Call], others: Sequence[Call], drawn: Random) -> tuple[bytes, str]:
    """The content of one file, and what became of the writes that were not synced."""
    content = bytearray()
    for call in durable:
        _apply(content, call)
    how = drawn.choice(["lost", "kept", "first", "last", "some", "torn"])
    share = drawn.choice([0.1, 0.5, 0.9])
    edge = drawn.randint(0, len(others))
    fates = {"kept": 0, "torn": 0, "lost": 0}
    for number, call in enumerate(others):
        is_kept = {
            "lost": False, "kept": True, "first": number < edge, "last": number >= edge,
            "some": drawn.random() < share, "torn": drawn.random() < share,
        }[how]  # fmt: skip
        is_torn = call.what == "write" and (
            (how == "torn" and drawn.random() < 0.5) or (how in {"first", "last"} and number == edge)
        )
        if is_torn:
            _tear(content, call, drawn)
        elif is_kept:
            _apply(content, call)
        fates["torn" if is_torn else "kept" if is_kept else "lost"] += 1
    shown = ", ".join(f"{count} {fate}" for fate, count in fates.items())
    return bytes(content), f"{len(durable)} changes synced; of the others {shown} ({how})"


def _apply(content: bytearray, call: Call) -> None:
    if call.what == "truncate":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    _put(content, call.offset, call.data)


def _tear(content: bytearray, call: Call, drawn: Random) -> None:
    """Some sectors of a write are there."""
    end = call.offset + len(call.data)
    edges = [call.offset, *range((call.offset // SECTOR + 1) * SECTOR, end, SECTOR), end]
    for start, stop in pairwise(edges):
        if drawn.random() < 0.5:
            _put(content, start, call.data[start - call.offset : stop - call.offset])


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def main(recording: str, folder: str, at: str, seed: str, mode: Mode = "kept") -> None:
    calls = parse(Path(recording).read_text().splitlines(), Path(recording).parent / "life")
    state = state_after(calls, Cut(int(at), int(seed), mode))
    Path(folder).mkdir()
    state.write(Path(folder))
    sys.stdout.write("\n".join([*state.story, f"{len(state.acknowledged)} lines were acknowledged", ""]))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]

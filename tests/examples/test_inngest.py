"""examples/inngest/: its story is true, with the packages of npm that it names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.helpers.inngest_sdks import node_path
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

LINES = (
    r"1\. The server asks the apps .*",
    r" +sent: 3 sign-ups and 12 requests of reports; .*",
    r"2\. .*",
    r" +checked: the server is gone, by signal 9",
    r" +kill -9, after \d+ steps were stored",
    r"3\. .*",
    r" +3 of daily-digest: completed",
    r" +36 of make-report: completed",
    r" +9 of welcome: completed",
    r" +checked: each run has come to its end",
    r" +checked: no stored step ran again",
    r" +checked: the 183 steps of all runs have reached the world",
    r" +\d+ steps ran a second time: they were on their way when the server was killed",
    r"No stored step ran again\. This took \d+\.\d s\.",
)


async def story(folder: Path) -> tuple[int, list[str]]:
    """Runs the story in a folder; gives its exit code and its lines."""
    async with program(folder / "story.py", PATH=node_path()) as child:
        return await child.ended(limit=4 * PATIENCE), child.lines


@slow
async def test_functions_of_three_sdks_go_on_after_a_kill_and_no_stored_step_runs_again(inngest_example: Path) -> None:
    code, lines = await story(inngest_example)
    assert code == 0, lines
    found = iter(lines)
    for pattern in LINES:
        assert any(re.fullmatch(pattern, line) for line in found), (pattern, lines)


@slow
async def test_the_story_fails_if_a_stored_step_runs_again(inngest_example: Path, tmp_path: Path) -> None:
    shutil.copytree(inngest_example, tmp_path / "inngest", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "inngest" / "node_modules").symlink_to(inngest_example / "node_modules")
    app = tmp_path / "inngest" / "python_app.py"
    text = app.read_text(encoding="utf-8")
    line = 'effects.append(f"python {step} {subject}")'
    assert line in text
    app.write_text(text.replace(line, f"{line}; {line}"), encoding="utf-8")
    code, lines = await story(tmp_path / "inngest")
    assert code == 1
    assert any("not true: no stored step ran again." in line for line in lines), lines

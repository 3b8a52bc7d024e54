"""Makes the links of docs/ work on the site.

- README.md and CHANGELOG.md become pages of the site.
- A link to any other file of the repository leads to `repo_url`; without one its text stays, and no link.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "overview.md", "CHANGELOG.md": "changes.md"}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie outside of docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Changes the links that lead out of docs/, and those of the pages that do not lie there."""
    del files
    source = page.file.src_uri
    outside = {ours: name for name, ours in PAGES.items()}
    folder = ROOT if source in outside else (ROOT / "docs" / source).parent

    def changed(found: re.Match[str]) -> str:
        text, link, anchor = found[1], found[2], found[3] or ""
        target = Path(os.path.normpath(folder / link)).relative_to(ROOT).as_posix()
        place = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if place is not None:
            start = os.path.dirname(source)
            return f"[{text}]({os.path.relpath(place, start or '.')}{anchor})"
        return f"[{text}]({config.repo_url.rstrip('/')}/{target})" if config.repo_url else text

    return LINK.sub(changed, markdown)

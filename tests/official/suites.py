"""The suites by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.official.inngest_js import INNGEST_JS
from tests.official.inngest_py import INNGEST_PY
from tests.official.qstash import QSTASH_JS, QSTASH_PY
from tests.official.suite import Suite

SUITES: Final[Mapping[str, Suite]] = {
    "qstash-py": QSTASH_PY,
    "qstash-js": QSTASH_JS,
    "inngest-py": INNGEST_PY,
    "inngest-js": INNGEST_JS,
}

"""Where the project lies. Imports nothing, for programs that must not."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

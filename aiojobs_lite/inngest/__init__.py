"""Functions of the Inngest SDKs over a runner: apps keep their code, and set the address of their server.

Needs the extra `inngest`: `pip install "aiojobs_lite[inngest]"`. Importing this package loads nothing of it.
"""

from aiojobs_lite.inngest.entrance import inngest_app
from aiojobs_lite.inngest.references import reference_function

__all__ = ["inngest_app", "reference_function"]

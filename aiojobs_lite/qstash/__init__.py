"""The API of QStash over a runner: its official clients change their base URL, and nothing else.

Needs the extra `http`: `pip install "aiojobs_lite[http]"`. Importing this package loads nothing of it.
"""

from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.qstash.entrance import qstash_app

__all__ = ["StoredSigner", "qstash_app"]

"""Messages over HTTP: signatures, and the receiver's side.

Needs the extra `http`: `pip install "aiojobs_lite[http]"`. Importing this package loads nothing of it.
"""

from aiojobs_lite.http.signing.inbox import Inbox, MemoryInbox, MessageStatus
from aiojobs_lite.http.signing.keys import SigningKeys
from aiojobs_lite.http.signing.middleware import VerifyMiddleware
from aiojobs_lite.http.signing.schemes import VerifiedMessage
from aiojobs_lite.http.signing.signer import Signer
from aiojobs_lite.http.signing.verifier import Verifier

__all__ = [
    "Inbox",
    "MemoryInbox",
    "MessageStatus",
    "Signer",
    "SigningKeys",
    "VerifiedMessage",
    "Verifier",
    "VerifyMiddleware",
]

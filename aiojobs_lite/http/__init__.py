"""Messages over HTTP: deliveries, signatures, and the receiver's side.

Needs the extra `http`: `pip install "aiojobs_lite[http]"`. Importing this package loads nothing of it.
"""

from aiojobs_lite.handlers.publish import Publish
from aiojobs_lite.http.breaker import PER_HOST_LIMIT, Breaker
from aiojobs_lite.http.group import Http
from aiojobs_lite.http.signing.database_inbox import DatabaseInbox
from aiojobs_lite.http.signing.inbox import Inbox, MemoryInbox, MessageStatus
from aiojobs_lite.http.signing.keys import SigningKeys
from aiojobs_lite.http.signing.middleware import VerifyMiddleware
from aiojobs_lite.http.signing.schemes import VerifiedMessage
from aiojobs_lite.http.signing.signer import Signer
from aiojobs_lite.http.signing.verifier import Verifier
from aiojobs_lite.model.delivery import DeliveryResult
from aiojobs_lite.policy.retry_delay import RetryDelay

__all__ = [
    "PER_HOST_LIMIT",
    "Breaker",
    "DatabaseInbox",
    "DeliveryResult",
    "Http",
    "Inbox",
    "MemoryInbox",
    "MessageStatus",
    "Publish",
    "RetryDelay",
    "Signer",
    "SigningKeys",
    "VerifiedMessage",
    "Verifier",
    "VerifyMiddleware",
]

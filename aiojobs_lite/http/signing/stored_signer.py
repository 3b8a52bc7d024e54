"""A signer whose keys lie in the database, so that a rotation reaches every runner of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.http.signing.keys import UPSTASH, SigningKeys
from aiojobs_lite.http.signing.signer import Signer
from aiojobs_lite.logs import get_log
from aiojobs_lite.runner.documents import Documents

_KIND: Final = "qstash.keys"
_NAME: Final = "keys"
_LOOK_EVERY_S: Final = 5.0
_ADVICE: Final = "receivers need the new ones; applications that run at once need the same keys, or a database each"
_log = get_log("http")


class StoredSigner:
    """Signs the deliveries of `rules="qstash"` with the keys that the database has.

    The keys that it is given are stored at its first use, in place of those of another configuration; then it takes
    what is stored, as another runner may have rotated them. A rotation reaches each runner within five seconds.

    Args:
        given: The keys to begin with; None: those that are stored, or fresh ones.

    Raises:
        InvalidOption: If they are of another scheme.
    """

    def __init__(self, given: SigningKeys | None = None) -> None:
        if given is not None and (not isinstance(given, SigningKeys) or given.scheme != UPSTASH):
            raise InvalidOption("keys", "***", "SigningKeys of the scheme upstash, or None")
        self._given = given
        self._fingerprint = "" if given is None else _fingerprint_of(given)
        self._is_development = given is not None and given.is_development
        self._keys: SigningKeys | None = None
        self._signer: Signer | None = None
        self._looked_at = 0.0

    def is_like(self, other: StoredSigner) -> bool:
        """Whether another one was given the same keys."""
        return self._fingerprint == other._fingerprint

    def sign(self, body: bytes, *, message_id: str, url: str) -> Mapping[str, str]:
        """The headers that sign a message at this moment; see `Signer.sign`.

        Raises:
            InvalidOption: If `refresh` was never called: there are no keys yet.
        """
        if self._signer is None:
            raise InvalidOption("qstash_signer", "***", "its keys to be read before: await signer.refresh(documents)")
        return self._signer.sign(body, message_id=message_id, url=url)

    async def refresh(self, documents: Documents) -> None:
        """Reads the keys, unless it did so a moment ago."""
        now = time.monotonic()
        if self._signer is None or now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            await self.keys(documents)

    async def keys(self, documents: Documents) -> SigningKeys:
        """The keys as they are stored."""
        found = await documents.get(_KIND, _NAME)
        body = None if found is None else found.body
        if body is None or (self._signer is None and not self._may_use(body)):
            if body is not None:
                _log.warning(
                    "this application replaces the keys that sign messages, for the database had others: %s", _ADVICE
                )
            body = await self._stored(documents, self._begun)
        elif self._has_lost(body):
            _log.warning("another application of the database has replaced the keys that sign messages: %s", _ADVICE)
        return self._use(body)

    async def rotate(self, documents: Documents) -> SigningKeys:
        """Makes the next key the current one, and a fresh one the next."""
        await self.keys(documents)
        return self._use(await self._stored(documents, self._rotated))

    async def _stored(self, documents: Documents, change: Any) -> Any:
        stored = await documents.update(_KIND, _NAME, change)
        return None if stored is None else stored.body

    def _begun(self, body: Any) -> Any:
        """The document to begin with, unless another runner has made one meanwhile that fits."""
        if body is not None and self._may_use(body):
            return body
        keys = self._given or SigningKeys.generate(UPSTASH)
        return self._document(keys if keys.next is not None else keys.rotated())

    def _may_use(self, body: Any) -> bool:
        """Whether stored keys fit what was given: they are those, or nothing was given and they are not the public ones
        of development mode.
        """
        if self._given is not None:
            return bool(body["given"] == self._fingerprint)
        return bool(body["given"] != _fingerprint_of(SigningKeys.for_development()))

    def _has_lost(self, body: Any) -> bool:
        """Whether another application has replaced the keys that were given here, since the last look."""
        return self._given is not None and not self._may_use(body) and self._keys_in(body) != self._keys

    def _rotated(self, body: Any) -> Any:
        return self._document(self._keys_in(body).rotated())

    def _document(self, keys: SigningKeys) -> dict[str, Any]:
        return {"given": self._fingerprint, "current": keys.current, "next": keys.next}

    def _keys_in(self, body: Any) -> SigningKeys:
        return SigningKeys(body["current"], body["next"], is_development=self._is_development)

    def _use(self, body: Any) -> SigningKeys:
        keys = self._keys_in(body)
        if keys != self._keys:
            self._keys, self._signer = keys, Signer(keys, scheme=UPSTASH)
        return keys


def _fingerprint_of(keys: SigningKeys) -> str:
    return hashlib.sha256(" ".join(keys.both).encode()).hexdigest()

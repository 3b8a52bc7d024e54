"""Payloads with marks: the version of a handler's arguments, with the steps from one version to the next, and which of
the arguments are secret.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.signature import FIX, WAITS, Signature
from aiojobs_lite.model.payloads import SECRET_KEY, VERSION_KEY, arguments_of, mark, version_of
from aiojobs_lite.text import show

UpgradeStep = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes of the arguments of one version, plain JSON values by name, those of the next."""

_HIDDEN: Final = "does not fit; its value is secret, and so is what is wrong with it"
_WANTED: Final = "a dict of steps, such as {1: from_1_to_2}"


class MarkedSignature(Signature):
    """The parameters of a handler whose payloads have a version above 1, or secret arguments.

    Args:
        job_type: The name of the job type.
        handler: The user's function.
        largest: Most bytes of a payload.
        reads_return: See `Signature`.
        version: The version.
        steps: The steps to it, those of the latest versions; the last one leads to it.
        secret: What was given as the names of secret arguments.

    Raises:
        InvalidOption: If one of these is no argument.
    """

    is_marked = True

    def __init__(
        self, job_type: str, handler: Callable[..., Any], largest: int, *, reads_return: bool, version: int,
        steps: tuple[UpgradeStep, ...], secret: object,
    ) -> None:  # fmt: skip
        super().__init__(job_type, handler, largest, reads_return=reads_return)
        self.version = version
        self.secret = _check_secret(secret, self.arguments)
        self._steps = steps
        self._first = version - len(steps)
        self._most_chars = largest

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """See `Signature.dump`."""
        return self.marked(super().dump(args, kwargs))

    def load(self, payload: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `Signature.load`; a payload of an older version is upgraded first."""
        return super().load(self.present(payload))

    def marked(self, arguments: str) -> str:
        """See `Signature.marked`."""
        return mark(arguments, self.version, self.secret)

    def refused(self, problems: Sequence[tuple[str, str]], advice: str = FIX) -> InvalidPayload:
        """See `Signature.refused`; a validator may quote the value, and so may the path within it."""
        firsts = [path.partition(".")[0] for path, _ in problems]
        shown = [
            (first, _HIDDEN) if first in self.secret else problem
            for first, problem in zip(firsts, problems, strict=True)
        ]
        return super().refused(shown, advice)

    def shown(self, error: Exception) -> str:
        """See `Signature.shown`."""
        return type(error).__name__ if self.secret else super().shown(error)

    def present(self, payload: str) -> str:
        """See `Signature.present`; the steps run."""
        version, arguments = version_of(payload), arguments_of(payload)
        if version == self.version:  # nearly always
            return arguments
        if version > self.version:
            raise self.newer(version)
        if version < self._first:
            known = f"and upgrades from version {self._first} on" if self._steps else "and has no upgrade="
            problem = f"were enqueued as version {version}; this handler takes version {self.version}, {known}"
            raise InvalidPayload(self.job_type, [("arguments", problem)], WAITS)
        if len(arguments) > self._most_chars:
            raise self.too_large(arguments)
        try:
            decoded = from_json(arguments, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidPayload(self.job_type, [("arguments", f"are no JSON: {error}")], WAITS) from None
        if not isinstance(decoded, dict):
            return arguments  # the handler refuses it
        for older in range(version, self.version):
            decoded, arguments = self._step(older, decoded)
        return arguments

    def _step(self, older: int, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The arguments of the next version, and the same as JSON."""
        try:
            made: object = self._steps[older - self._first](arguments)
        except Exception as error:  # noqa: BLE001  # the user's code
            raise self._failed(older, f"raised {self.shown(error)}") from (None if self.secret else error)
        if not isinstance(made, dict):
            raise self._failed(older, f"returned {_kind(made)}, and not a dict of the new arguments")
        for key in (VERSION_KEY, SECRET_KEY):
            if key in made:
                raise self._failed(older, f"returned an argument {key!r}, which no handler has")
        try:
            encoded = json.dumps(made, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            encoded.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise self._failed(older, f"returned what is no JSON: {self.shown(error)}") from None
        return made, encoded

    def _failed(self, older: int, problem: str) -> InvalidPayload:
        text = f"the step from version {older} to version {older + 1} {problem}"
        return InvalidPayload(self.job_type, [(f"upgrade[{older}]", text)], WAITS)


def make_signature(
    job_type: str, handler: Callable[..., Any], largest: int, version: int, upgrade: object, secret: object, *,
    reads_return: bool,
) -> Signature:  # fmt: skip
    """The parameters of a handler, with the version of its payloads and their secret arguments.

    Args:
        job_type: The name of the job type.
        handler: The user's function.
        largest: Most bytes of a payload.
        version: The version, from 1.
        upgrade: The steps by the version from which each leads to the next one, or None.
        secret: The names of the secret arguments, or None.
        reads_return: See `Signature`.

    Raises:
        InvalidOption: If the steps or the names cannot work.
        InvalidJobType: If a parameter cannot be stored as JSON.
    """
    steps = _check_steps(upgrade, version)
    if version == 1 and (secret is None or secret == []):
        return Signature(job_type, handler, largest, reads_return=reads_return)
    return MarkedSignature(
        job_type, handler, largest, reads_return=reads_return, version=version, steps=steps, secret=secret
    )


def _check_secret(secret: object, arguments: Sequence[str]) -> tuple[str, ...]:
    """The names of secret arguments, once each, in the order of the handler."""
    takes = ", ".join(arguments) or "none"
    if secret is not None and not isinstance(secret, list | tuple):
        raise InvalidOption("secret", secret, f"a list of names of arguments of the handler, which has {takes}")
    names = list(secret or ())
    for name in names:
        if name not in arguments:
            raise InvalidOption("secret", secret, f"names of arguments of the handler, which has {takes}")
    return tuple(name for name in arguments if name in names)


def _check_steps(upgrade: object, version: int) -> tuple[UpgradeStep, ...]:
    """The steps in their order, without a gap up to the version."""
    if upgrade is None:
        return ()
    if not isinstance(upgrade, Mapping):
        raise InvalidOption("upgrade", upgrade, _WANTED)
    if version == 1:
        raise InvalidOption("upgrade", upgrade, "version= as well, 2 or above: the version to which the steps lead")
    steps = dict(upgrade)
    for older, step in steps.items():
        if isinstance(older, bool) or not isinstance(older, int) or not 1 <= older < version:
            raise InvalidOption(
                "upgrade", upgrade, f"whole numbers from 1 to {version - 1} as its keys, not {show(older)}"
            )
        _check_step(f"upgrade[{older}]", step)
    first = version - len(steps)
    missing = [older for older in range(min(steps, default=version), version) if older not in steps]
    if missing:
        problem = f"each step up to version {version}: the one from version {missing[0]} to {missing[0] + 1} is missing"
        raise InvalidOption("upgrade", upgrade, problem)
    return tuple(steps[older] for older in range(first, version))


def _check_step(option: str, step: object) -> None:
    """Checks that a step is a plain function of one argument."""
    expected = "a plain function that takes the older arguments as a dict and returns the new ones"
    function = step
    while isinstance(function, functools.partial):
        function = function.func
    if not callable(step) or not callable(function):
        raise InvalidOption(option, step, expected)
    called = function, type(function).__call__
    if isinstance(called[1], property):  # a job type: its plain call is that of its handler
        raise InvalidOption(option, step, expected)
    if any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in called):
        raise InvalidOption(option, step, f"{expected}, no `async def`: it must not wait for anything")
    if any(map(inspect.isgeneratorfunction, called)):
        raise InvalidOption(option, step, f"{expected}, no generator")
    try:
        inspect.signature(step).bind({})
    except TypeError as error:
        raise InvalidOption(option, step, f"{expected}: {error}") from None
    except ValueError:  # it has no signature to be read
        pass


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__!r}"

"""Expressions of Inngest: filters, keys and priorities, such as `event.data.userId == async.data.userId`.

The language is the Common Expression Language (CEL) as Inngest extends it: what is missing is null and no error, and a
condition holds by any value that is true in JavaScript. `docs/guides/inngest-expressions.md` says where the two differ.
"""

from aiojobs_lite.errors import ExpressionError
from aiojobs_lite.inngest.expressions.equalities import Equality, index_key, index_key_at
from aiojobs_lite.inngest.expressions.expression import Expression, compile_expression
from aiojobs_lite.inngest.expressions.parser import LONGEST_BOUND_BYTES, LONGEST_EXPRESSION_BYTES, MOST_NESTED
from aiojobs_lite.inngest.expressions.patterns import LONGEST_PATTERN_CHARS
from aiojobs_lite.inngest.expressions.scope import MOST_EVALUATION_STEPS

__all__ = [
    "LONGEST_BOUND_BYTES",
    "LONGEST_EXPRESSION_BYTES",
    "LONGEST_PATTERN_CHARS",
    "MOST_EVALUATION_STEPS",
    "MOST_NESTED",
    "Equality",
    "Expression",
    "ExpressionError",
    "compile_expression",
    "index_key",
    "index_key_at",
]

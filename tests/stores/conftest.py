"""The conformance suite is no test module by its name, and explains a failed assertion all the same."""

import pytest

pytest.register_assert_rewrite("tests.helpers.conformance")

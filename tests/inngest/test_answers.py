"""What each answer of an app says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.inngest.answers import (
    Answered,
    Failed,
    NextOperations,
    Returned,
    SdkOperation,
    failure_of,
    failure_of_error,
    operations_in,
    read_answer,
)
from aiojobs_lite.inngest.slices import finish
from aiojobs_lite.policy.verdict import Verdict, Wish
from tests.helpers.inngest import SDK, hashed, operation

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
A = hashed("a")
OF_SDK = {"x-inngest-sdk": SDK, "x-inngest-req-version": "2"}


def read(status: int, body: object, **headers: str) -> Answered:
    """What an answer of an SDK says; text is the body as it is."""
    text = body if isinstance(body, str) else json.dumps(body)
    given = OF_SDK | {name.replace("_", "-"): value for name, value in headers.items()}
    return finish(read_answer(status, given.items(), text, NOW))


def operation_in(text: str) -> SdkOperation:
    (found,) = finish(operations_in(text))
    return found


def failed(answered: Answered) -> Failed:
    assert isinstance(answered, Failed), answered
    return answered


def operations(answered: Answered) -> NextOperations:
    assert isinstance(answered, NextOperations), answered
    return answered


def problem(answered: Answered) -> str:
    """What is wrong with an answer that cannot be understood; the call is made again."""
    found = failed(answered)
    assert (found.failure.error_type, found.verdict) == ("InvalidAnswer", Verdict(Wish.AGAIN))
    return found.failure.message


# The function returned.


@pytest.mark.parametrize(
    ("body", "result"),
    [("null", "null"), ("", "null"), (" \n", "null"), ('{"a": 1.0}', '{"a": 1.0}'), (" 1e2\n", "1e2"), ('"x"', '"x"')],
)
def test_what_a_function_returned_is_word_for_word(body: str, result: str) -> None:
    assert read(200, body) == Returned(result)


@pytest.mark.parametrize("body", ["<html>", "{", "NaN", "[" * 1000])
def test_what_is_no_json_ends_no_run(body: str) -> None:
    assert problem(read(200, body)).startswith("the body of an answer 200 is not what it has to be: ")


@pytest.mark.parametrize("status", [200, 206, 204])
def test_an_answer_that_is_not_from_an_sdk_is_a_failure(status: int) -> None:
    text = f"an answer {status} without the header x-inngest-sdk is not from an SDK, but perhaps from a proxy"
    assert problem(finish(read_answer(status, [("Content-Type", "application/json")], "null", NOW))) == text
    assert problem(finish(read_answer(status, [("x-inngest-sdk", " ")], "null", NOW))) == text


@pytest.mark.parametrize("status", [202, 204, 299])
def test_an_answer_of_another_good_status_is_a_failure(status: int) -> None:
    assert problem(read(status, "null")) == f"an answer {status} is none of an SDK: it answers 200, 201 or 206"


# It goes on.


def test_operations_have_their_data_word_for_word() -> None:
    text = f'[{{"op":"StepRun","id":"{A}","name":"n","displayName":"a","data":{{"x": 1.0}},"opts":{{"type":"t"}}}}]'
    found = operations(read(206, text))
    assert found.found == (SdkOperation("StepRun", A, "n", "a", {"type": "t"}, '{"x": 1.0}'),)
    assert (found.version, found.verdict) == (2, Verdict(Wish.AGAIN))


def test_an_old_sdk_answers_one_object() -> None:
    (one,) = operations(read(206, f" {json.dumps(operation('Step', 'a', data=None))}")).found
    assert (one.op, one.data) == ("Step", "null")


@pytest.mark.parametrize(("given", "version"), [("1", 1), ("-1", None), ("x", None), ("", None), ("1.0", None)])
def test_the_version_is_a_whole_number(given: str, version: int | None) -> None:
    assert operations(read(206, "[]", x_inngest_req_version=given)).version == version


def test_several_operations_keep_their_order() -> None:
    names = [one.shown for one in operations(read(206, [operation("StepPlanned", name) for name in "cab"])).found]
    assert names == ["c", "a", "b"]


@pytest.mark.parametrize(
    "body",
    ["", "null", "1", '"x"', "[1]", "[[]]", "[{}]", '[{"op":1}]', '[{"op":"StepRun"}]', '[{"op":"StepRun","id":7}]',
     '[{"op":"StepRun","id":"a b"}]', '[{"op":"Step","op":"Step","id":"a"}]'],
)  # fmt: skip
def test_what_are_no_operations_is_a_failure(body: str) -> None:
    assert problem(read(206, body)).startswith("the body of an answer 206 is not what it has to be: ")


def test_it_says_what_an_operation_needs() -> None:
    with pytest.raises(ValueError, match="an operation has an op, and that of a step an id"):
        operation_in('{"op":"StepRun"}')
    for op in ("RunComplete", "DiscoveryRequest", "None", "DeferAdd", "DeferAbort"):
        assert operation_in(f'{{"op":"{op}"}}').op == op


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ('"displayName":"d","name":"n"', "d"), ('"name":"n","userland":{"id":"u"}', "n"),
        ('"userland":{"id":"u"}', "u"),
        ('"userland":7', ""), ('"displayName":null,"name":null', ""), ('"name":7', "7"), ('"opts":[]', ""),
    ],
)  # fmt: skip
def test_a_step_has_the_first_name_for_people_that_it_is_given(more: str, shown: str) -> None:
    assert operation_in(f'{{"op":"StepRun","id":"a",{more}}}').shown == shown


@pytest.mark.parametrize(
    ("timing", "seconds"),
    [
        ('{"a":1,"b":1500000000}', 1.5),
        ('{"b":0}', 0.0),
        ("{}", None),
        ("7", None),
        ('{"b":-1}', None),
        ('{"b":"1"}', None),
    ],
)
def test_the_time_of_a_step_is_read(timing: str, seconds: float | None) -> None:
    assert operation_in(f'{{"op":"StepRun","id":"a","timing":{timing}}}').seconds == seconds


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"name":"E","message":"m","stack":"s","cause":{"name":"C"}}',
         '{"name":"E","message":"m","stack":"s","cause":{"name":"C"}}'),
        ('{"message":"m","code":"unknown","__serialized":true,"name":"E","stack":null}', '{"name":"E","message":"m"}'),
        ('{"message":{"a": 1}}', '{"name":"Error","message":"{\\"a\\": 1}"}'),
        ('"text"', '{"name":"Error","message":""}'),
        ("{}", '{"name":"Error","message":""}'),
    ],
)  # fmt: skip
def test_of_an_error_only_what_the_function_is_given_is_kept(given: str, kept: str) -> None:
    error = operation_in(f'{{"op":"StepError","id":"a","error":{given}}}').error
    assert error is not None
    assert json.loads(error) == json.loads(kept)
    assert list(json.loads(error)) == list(json.loads(kept))
    assert operation_in('{"op":"StepError","id":"a","error":null}').error is None


# It failed.


def test_a_function_that_failed_says_how() -> None:
    error = {"name": "TypeError", "message": "x is\nnot y", "stack": "at z", "cause": {"name": "C"}, "code": "unknown"}
    found = failed(read(500, error))
    assert found.failure[:3] == ("TypeError", "x is\nnot y", "at z")
    assert json.loads(found.failure.details or "") == {
        **error, "error": "invalid status code: 500",
    }  # fmt: skip
    assert found.verdict == Verdict(Wish.AGAIN)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503, 300, 100, 599])
@pytest.mark.parametrize(
    ("no_retry", "wish"), [("true", Wish.NEVER), ("True", Wish.NEVER), ("false", Wish.AGAIN), ("", Wish.AGAIN)]
)
def test_the_header_and_not_the_status_says_whether_it_is_tried_again(status: int, no_retry: str, wish: Wish) -> None:
    found = failed(read(status, {"name": "E", "message": "m"}, x_inngest_no_retry=no_retry))
    assert (found.verdict.wish, found.failure.error_type) == (wish, "E")
    assert found.verdict.text == ("its app says that E" if wish is Wish.NEVER else "")


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        ('{"error":"Could not find step \\"a\\"","requestedStep":"a"}', "Error", 'Could not find step "a"'),
        ('{"code":"step_unexpected","message":"m"}', "Error", "m"),
        ('"{\\"name\\":\\"E\\",\\"message\\":\\"m\\"}"', "E", "m"),
        ('{"message":null,"name":"E"}', "E", ""), ("", "Error", "invalid status code: 500"),
        ("<html>\n  <b>502 Bad\x1b Gateway", "Error", r"invalid status code: 500: <html> <b>502 Bad\x1b Gateway"),
        ("[1]", "Error", "invalid status code: 500: [1]"), ('{"a":1}', "Error", 'invalid status code: 500: {"a":1}'),
        ("\ud800", "Error", r"invalid status code: 500: \ud800"),
    ],
)  # fmt: skip
def test_an_error_of_another_shape_is_read_as_well(body: str, name: str, message: str) -> None:
    found = failed(read(500, body))
    assert found.failure[:2] == (name, message)
    assert json.loads(found.failure.details or "")["message"] == message


@pytest.mark.parametrize(
    ("stack", "shown"),
    [("[]", "[]"), ("{}", "{}"), ("0", "0"), ("false", "false"), ('["at a"]', '["at a"]'), ('""', ""), ("null", None)],
)
def test_a_stack_that_is_no_text_is_shown_as_json(stack: str, shown: str | None) -> None:
    error = f'{{"name":"E","message":"m","stack":{stack}}}'
    found = failed(read(500, error)).failure
    assert found[:3] == ("E", "m", shown) == failure_of_error(error)[:3]


def test_a_redirect_is_not_followed_and_named() -> None:
    found = failed(read(302, "", location="http://10.0.0.1/"))
    text = "invalid status code: 302, a redirect to 'http://10.0.0.1/', which is not followed"
    assert found.failure.message == text


def test_a_long_error_is_shortened_and_its_details_are_left_out() -> None:
    found = failed(read(500, {"name": "E" * 500, "message": "m" * 200_000}))
    assert (len(found.failure.error_type), len(found.failure.message), found.failure.details) == (200, 2000, None)
    assert len(failed(read(500, "x" * 200_000)).failure.message) == 500
    assert failure_of("", "").error_type == "Error"


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ("7", 7.0), ("0", 1.0), ("0.5", 1.0), ("90000", 86_400.0), ("2026-01-01T00:01:00.000Z", 60.0),
        ("2025-12-31T00:00:00Z", 1.0), ("2026-01-09T00:00:00Z", 86_400.0), ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0), ("soon", None), ("-1", None), ("", None), ("nan", None),
        ("Thu, 99 Jan 99999 00:00:30 GMT", None),
    ],
)  # fmt: skip
def test_the_app_may_say_when_it_is_tried_again(value: str, delay: float | None) -> None:
    expected = Verdict(Wish.AGAIN) if delay is None else Verdict(Wish.RETRY, "E", delay)
    assert failed(read(500, {"name": "E", "message": ""}, retry_after=value)).verdict == expected
    steps = operations(read(206, [operation("StepError", "a")], retry_after=value)).verdict
    assert steps == expected._replace(text=expected.text and "Error")


def test_of_a_header_that_comes_twice_the_first_one_counts() -> None:
    headers = [*OF_SDK.items(), ("X-Inngest-No-Retry", "true"), ("x-inngest-no-retry", "false")]
    assert failed(finish(read_answer(500, headers, "", NOW))).verdict.wish is Wish.NEVER


# It is a stream.


def stream(status: object, body: object, **headers: object) -> str:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return "   \n " + json.dumps({"status": status, "headers": given, "body": body})


def test_a_stream_ends_with_the_answer_itself() -> None:
    assert read(201, stream(200, '{"a": 1.0}')) == Returned('{"a": 1.0}')
    assert read(201, stream(200, None)) == Returned("null")
    steps = json.dumps([operation("StepRun", "a", data=1)])
    found = operations(read(201, stream(206, steps, x_inngest_req_version=1)))
    assert (found.version, found.found[0].data) == (1, "1")
    assert operations(read(201, stream(206, json.loads(steps)))).found[0].data == "1"  # not encoded twice


def test_the_headers_of_a_stream_are_merged() -> None:
    text = stream(500, '{"name":"E","message":"m"}', X_Inngest_No_Retry="true")
    assert failed(read(201, text, x_inngest_no_retry="false")).verdict.wish is Wish.NEVER
    inner = stream(200, "1", x_inngest_sdk=SDK)
    assert finish(read_answer(201, [], inner, NOW)) == Returned("1")
    assert "without the header x-inngest-sdk" in problem(finish(read_answer(201, [], stream(200, "1"), NOW)))


@pytest.mark.parametrize(
    "body",
    ["", "   ", "[]", "{}", '{"status":"200","body":"1"}', '{"status":201,"body":"{}"}', '{"status":true,"body":""}',
     '{"status":200,"headers":[],"body":"1"}', '   {"status":200,"body":"1"'],
)  # fmt: skip
def test_a_stream_that_does_not_end_so_is_a_failure(body: str) -> None:
    assert problem(read(201, body)).startswith("its stream does not end with status, headers and body: ")


def test_a_stream_has_no_more_headers_than_an_answer_may() -> None:
    headers = {str(number): "x" for number in range(10_000)}
    said = problem(read(201, {"status": 200, "headers": headers, "body": "1"}))
    assert said.endswith("its status and headers have more than 65,536 characters")
    said = problem(read(201, f'{{"status":{" " * 70_000}[{"1," * 70_000}1],"body":"1"}}'))
    assert said.endswith("its status and headers have more than 65,536 characters")


def test_it_says_what_the_end_of_a_stream_is() -> None:
    assert problem(read(201, stream(201, "1"))).endswith(
        "its status is a number other than 201, and its headers are an object"
    )


@given(status=st.integers(100, 599), body=st.text(), sdk=st.booleans())
def test_whatever_comes_is_read_as_something(status: int, body: str, sdk: bool) -> None:
    found = finish(read_answer(status, OF_SDK.items() if sdk else [], body, NOW))
    assert sdk or isinstance(found, Failed)


PIECES = st.lists(st.sampled_from([*'{}[]:,"', "op", "id", "StepRun", "status", "200", "null", "data", "body", " "]))


@given(status=st.sampled_from([200, 201, 206, 500]), pieces=PIECES)
def test_whatever_json_comes_is_read_as_something(status: int, pieces: list[str]) -> None:
    assert read(status, "".join(pieces))

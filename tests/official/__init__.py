"""The official suites of the clients of QStash and of Inngest, unchanged, against the apps of this library.

`python -m tests.official qstash-py` fetches a suite, runs it and prints its counts; so do `qstash-js`, `inngest-py` and
`inngest-js`. Nothing of a suite is kept in this repository.
"""

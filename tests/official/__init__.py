"""The official suites of the QStash clients, unchanged, against the app of this library.

`python -m tests.official qstash-py` fetches a suite, runs it and prints its counts; so does `qstash-js`.
Nothing of a suite is kept in this repository.
"""

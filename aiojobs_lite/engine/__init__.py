"""The parts that make jobs run: built in `engine`, started and closed by `lifecycle`, connected by `ports`.

Who claims? `dispatcher` says when and how much, `committer` takes that `Claim` into its next transaction, the store
carries it out (`stores/sqlite/claim.py`), `dispatcher` registers what it got, and `executor` runs it.
"""

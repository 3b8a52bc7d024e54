"""What a runner reports of itself: facts, for the log and for `runner.watch()`, and figures, for `runner.stats()`."""

"""The workloads, each a function that yields figures: ours, and the bare limit beside it, turn by turn."""

"""The parts that make jobs run: built in `engine`, started and closed by `lifecycle`, connected by `ports`."""

"""The parts that make jobs run. Each has one loop or none; the runner wires them."""

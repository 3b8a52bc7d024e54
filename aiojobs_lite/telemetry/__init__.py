"""What a runner reports of itself."""

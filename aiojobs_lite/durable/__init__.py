"""Durable steps: one job over many attempts, each of which goes on behind what the ones before have done."""

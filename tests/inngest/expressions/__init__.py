"""Expressions of Inngest."""

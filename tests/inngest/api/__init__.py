"""Tests of the endpoints of the Inngest application."""

"""The Inngest protocol."""

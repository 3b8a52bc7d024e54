"""The endpoints that apps, senders of events and people call."""

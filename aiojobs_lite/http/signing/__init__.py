"""Signatures of messages: two schemes, for the sender and for the receiver."""

"""Webhooks, for the sender and the receiver: events, their signatures, and subscriptions. No I/O."""

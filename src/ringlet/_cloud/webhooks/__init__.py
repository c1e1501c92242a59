"""The cloud as a sender of webhooks: event log, subscriptions, deliveries."""

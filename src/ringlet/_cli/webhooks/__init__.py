"""The commands that manage webhook subscriptions and show deliveries."""

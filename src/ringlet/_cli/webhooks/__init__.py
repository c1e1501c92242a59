"""Commands about webhook subscriptions and deliveries."""

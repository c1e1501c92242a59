"""The clients, their transports, and where a sign-in is stored."""

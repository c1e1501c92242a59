"""Commands about the user's sign-in: login, auth."""

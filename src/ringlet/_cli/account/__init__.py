"""The commands that manage the user's sign-in: login, auth."""

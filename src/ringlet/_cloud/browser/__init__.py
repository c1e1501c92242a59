"""What pages in a browser share: templates, sessions, forms, signing in."""

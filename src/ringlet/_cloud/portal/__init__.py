"""The developer portal: home, applications, webhook pages."""

"""Code that several commands share: options, output, suggested commands, dates as users type them."""

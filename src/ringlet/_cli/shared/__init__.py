"""What several commands share: options, output, suggestions, time notation."""

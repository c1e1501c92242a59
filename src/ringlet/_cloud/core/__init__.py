"""What every other part of the cloud uses: clock, error answers, throttles, hashes of secrets."""

"""What is simulated: a body and its habits, nights, movement, scores and time series, as numbers."""

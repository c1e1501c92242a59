"""The clients of Oura's API, the HTTP transports they use, and the storage of sign-ins and tokens."""

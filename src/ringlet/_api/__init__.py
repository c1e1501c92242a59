"""Oura's API as a table of data types, and as flows that request them. The client and the cloud use both."""

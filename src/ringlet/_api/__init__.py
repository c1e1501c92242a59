"""Oura's API as data and flows: no sockets, no clock, no files. Both the client and the cloud read it."""

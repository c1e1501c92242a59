"""`python -m ringlet.cli`: the same program where its script is not on the path."""

from . import main

main()

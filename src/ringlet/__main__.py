"""`python -m ringlet`: the command line where its script is not on the path."""

from ._cli.main import main

main()

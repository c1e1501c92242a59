"""An Oura Cloud that anyone can run."""

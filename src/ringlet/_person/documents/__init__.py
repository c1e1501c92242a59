"""How the simulated days become documents: which types, in which versions, with which fields."""

"""Ground floor: the types every stage speaks, on numpy and our own kernel alone."""

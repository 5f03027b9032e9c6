"""AWS for measurements: the few JSON calls that copying needs, quick enough not to be what is measured."""

"""Venues: for each one a pure protocol half and an I/O half. Nothing outside knows a venue's dialect."""

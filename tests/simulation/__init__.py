"""Long simulations of what the certificates promise: ``make simulate``."""

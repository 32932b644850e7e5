"""Parts of :mod:`rarecorrect.verify`."""

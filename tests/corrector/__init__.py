"""ErrorCorrector: a hot-fix that leaves the legacy model as it was found."""

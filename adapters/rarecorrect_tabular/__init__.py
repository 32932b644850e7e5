"""Transaction tables: loading them, and the benchmark of new kinds of fraud."""

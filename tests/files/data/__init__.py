"""Files of every format, and what made them."""

"""Pages as agents read them, and the two drivers that browse them."""

"""What tools answer: rows believed from results seen, and programs over them, with or without a state view."""

"""Placeholder."""
def build(kit):
    return []

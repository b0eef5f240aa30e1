"""Sandboxes: running clones, their runtimes and the world made of one."""

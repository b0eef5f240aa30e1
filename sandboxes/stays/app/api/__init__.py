"""JSON tools."""

"""HTML handlers."""

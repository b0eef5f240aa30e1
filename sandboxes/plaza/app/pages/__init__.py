"""Handlers of the HTML pages."""

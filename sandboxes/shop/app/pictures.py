"""Placeholder."""
def picture(slug):
    return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320"><rect width="320" height="320" fill="#eee"/></svg>'

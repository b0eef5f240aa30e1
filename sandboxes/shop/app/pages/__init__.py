"""HTML pages: each handler reads a visit, calls the service layer and renders a template."""

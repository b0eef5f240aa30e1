"""The same operations as typed JSON tools, described by an OpenAPI document."""

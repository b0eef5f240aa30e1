"""The notes app's OpenAPI document."""

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
_TEXT = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Text"}}}}

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "paths": {
        "/api/notes": {
            "get": {"operationId": "list_notes", "summary": "Your notes"},
            "post": {"operationId": "add_note", "summary": "Add a note", "requestBody": _TEXT},
        },
        "/api/notes/{id}": {
            "parameters": [_ID],
            "put": {"operationId": "edit_note", "summary": "Change a note", "requestBody": _TEXT},
            "delete": {"operationId": "delete_note", "summary": "Delete a note"},
        },
    },
    "components": {
        "schemas": {"Text": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}
    },
}

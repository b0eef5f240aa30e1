"""Pictures are drawings, which need no thumbnails: browsers scale them."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile
from oscar.core.thumbnails import AbstractThumbnailer


@dataclass(frozen=True)
class Picture:
    """What templates ask of a thumbnail."""

    url: str
    width: int
    height: int


class Thumbnailer(AbstractThumbnailer):
    """The picture itself, with the size that was asked for."""

    def generate_thumbnail(self, source: FieldFile | str, **opts: str) -> Picture:
        width, _, height = opts["size"].partition("x")
        name = source if isinstance(source, str) else source.name
        side = int(width or height)
        return Picture(default_storage.url(name), side, int(height or side))

    def delete_thumbnails(self, source: FieldFile | str) -> None:
        pass

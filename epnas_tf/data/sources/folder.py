"""A folder with one folder of image files a class, or such a folder for each part: `train`, `validation`, `test`."""

import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np

from epnas_tf.config import DataConfig
from epnas_tf.data import decoded
from epnas_tf.data.checks.names import listed
from epnas_tf.data.pixels import IN_MEMORY
from epnas_tf.data.sources import decoding, layout, listing, pictures
from epnas_tf.data.sources.base import Arrays, Source, asked_size, make_source
from epnas_tf.data.sources.decoding import Decoded
from epnas_tf.data.sources.layout import Layout
from epnas_tf.data.sources.listing import File, LeftOut
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

_NAMED = 10
"""How many broken files a refusal names."""


def check(config: DataConfig, fewest_classes: int = 2) -> None:
    """Refuses a folder that is not there or has too few class folders with images; decodes no image."""
    _files(layout.find(layout.root_of(config.dataset), fewest_classes), LeftOut())


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads all images of a folder. What lies in folders within a class's belongs to the class too.

    The images stay grey if every one is; otherwise all are red, green and blue. `choose_size` decides their size, and
    `scale.choose`, unless `trained` tells, what is black and white in files of more than 8 bits, for all alike.

    Raises:
        DataError: if the folder is missing or empty, a class folder has no image, there is one class only, image files
            are broken and `skip_broken` is off, or nothing is left of a class with it.
    """
    found = layout.find(layout.root_of(config.dataset), fewest_classes=1)
    name = os.path.basename(os.path.abspath(found.root))
    left_out = LeftOut()
    left_out.reasons["images beside the class folders"] += found.loose
    files = _files(found, left_out)
    asked, known = asked_size(config, trained), trained.known_range if trained else None
    with decoding.decoded_once(files, found.root, name, asked, known) as (made, place):
        skip_note = _skip(made, files, found, config.skip_broken)
    large = math.prod(made.images.shape) > IN_MEMORY
    many = large or (len(made.files) >= decoding.FEWEST_KEPT and decoded.folder() is not None)
    images = made.images if large else np.asarray(made.images)
    parts: dict[str, Arrays] = {
        part: (pixels, np.array([file.label for file in of_part], np.int32))
        for part, (of_part, pixels) in decoding.of_parts(made.files, images).items()
    }
    of_files = [*found.notes, left_out.note, _deeper(files, found), skip_note]
    notes = [*of_files, *made.notes, decoding.kept_note(place, many)]
    source = make_source(name, parts, found.class_names, made.value_range, notes, made.deep)
    skipped = tuple(f"{file.name}: {reason}" for file, reason in made.broken.items())
    return dataclasses.replace(source, skipped=skipped)


def _files(found: Layout, left_out: LeftOut) -> list[File]:
    """Lists the image files of all parts, part by part, in the order of the classes and names."""
    files: list[File] = []
    for part, folders in found.classes.items():
        for folder in folders:
            before = left_out.no_images.copy()
            paths = listing.images_within(folder, left_out)
            if not paths:
                others = left_out.no_images - before
                but = f", but other files: {listing.counted(others)}" if others else ""
                raise DataError(
                    f"Every class folder must hold images ({_kinds()}). Received: {pictures.shown(folder)} with none"
                    f"{but}. Add images, convert them, or delete the folder."
                )
            label = found.class_names.index(folder.name)
            files += [File(part, label, pictures.shown(path.relative_to(found.root)), path) for path in paths]
    return files


def _deeper(files: Sequence[File], found: Layout) -> str:
    """Says that folders within a class folder make no classes; "" where there are none."""
    class_folders = {folder for folders in found.classes.values() for folder in folders}
    deeper = [file.name for file in files if file.path.parent not in class_folders]
    example = f"{len(deeper):,}, such as {deeper[0]}" if deeper else ""
    return f"images in folders within a class folder belong to its class: {example}" if deeper else ""


def _kinds() -> str:
    return f"PNG, JPEG, TIFF, WebP and {len(set(pictures.formats().values())) - 4} other formats"


def _skip(made: Decoded, files: Sequence[File], found: Layout, skip_broken: bool) -> str:
    """Returns a note on the files that are broken, "" for none, or refuses them.

    Raises:
        DataError: if they are not to be skipped, or a class or part is empty without them.
    """
    if not made.broken:
        return ""
    named = [f"{file.name} ({reason})" for file, reason in made.broken.items()]
    counted = f"{len(named):,} of {len(files):,} files that cannot be read"
    shown = listed(named, _NAMED)
    if not skip_broken:
        raise DataError(
            f"Every image file must hold a whole image. Received: in {pictures.shown(found.root)} {counted}: {shown}. "
            "Replace them or delete them, or leave them out by --skip_broken (`skip_broken`)."
        )
    left = {(file.part, file.label) for file in made.files}
    emptied = next((file for file in made.broken if (file.part, file.label) not in left), None)
    if emptied:
        raise DataError(
            f"Every class folder must hold images that can be read. Received: none in the {layout.PARTS[emptied.part]} "
            f"part's {found.class_names[emptied.label]}, with {counted}: {shown}. Replace them, or delete the folder."
        )
    return f"warning: {counted} are left out, such as {named[0]}; data.json in the run directory lists them all"

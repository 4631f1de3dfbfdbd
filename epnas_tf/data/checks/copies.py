"""Images that a data set has more than once."""

import collections
import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image stands.

    Attributes:
        part: "train", "validation" or "test".
        label: the number of its class.
        name: what a person finds it by.
    """

    part: str
    label: int
    name: str


def copies_warning(places: Iterable[tuple[bytes, Place]], how: str = "") -> str:
    """Returns a warning of images that are there twice, with an example of each kind; "" where there are none.

    Args:
        places: a checksum of each image, and its place; equal checksums are copies.
        how: how alike they are, in words.
    """
    found: dict[str, list[str]] = {"in two classes": [], "in two parts": [], "within a class": []}
    groups: dict[bytes, list[Place]] = collections.defaultdict(list)
    for checksum, place in places:
        groups[checksum].append(place)
    for first, *others in groups.values():
        if twins := [place for place in others if place.label != first.label]:
            kind = "in two classes"
        elif twins := [place for place in others if place.part != first.part]:
            kind = "in two parts"
        elif twins := others:
            kind = "within a class"
        else:
            continue
        found[kind].append(f"{first.name} = {twins[0].name}")
    texts = ", ".join(f"{len(names):,} {kind} ({names[0]})" for kind, names in found.items() if names)
    effect = "copies that are trained and tested on make the accuracy look better than it is"
    return f"warning: copies of images{how}: {texts}; {effect}" if texts else ""

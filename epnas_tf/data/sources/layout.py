"""Where the classes of a folder of images are: its parts by the names in use, and their class folders."""

import collections
import dataclasses
import os
import re
from pathlib import Path

from epnas_tf.data.checks.names import as_read, check_class_names, listed
from epnas_tf.data.sources import listing
from epnas_tf.data.sources.base import where
from epnas_tf.data.sources.pictures import shown as _shown
from epnas_tf.errors import DataError, TooFewImagesError

PARTS = {"train": "training", "validation": "validation", "test": "test"}
"""Each part, and what it is called in a note."""

_PART_NAME = re.compile(
    r"(?:(?P<before>.+)[\W_])?"
    r"(?:(?P<train>train(?:ing)?)|(?P<validation>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?|eval(?:uation)?))"
    r"(?:[\W_]?(?:set|data|dataset|images?|imgs?|split))?"
    r"(?:[\W_](?P<after>.+))?",
    re.IGNORECASE,
)
"""train, Training, training_set, TestImages, seg_train, train_flowers, …"""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the classes of a folder of images are.

    Attributes:
        root: the folder that was given.
        class_names: names of the class folders of the training part, sorted; two or more.
        classes: for each part, its class folders: all for the training part, one or more for the others.
        loose: how many images lie beside class folders.
        notes: what was decided, a line each.
    """

    root: Path
    class_names: tuple[str, ...]
    classes: dict[str, list[Path]]
    loose: int
    notes: tuple[str, ...]


def find(root: Path, fewest_classes: int = 2) -> Layout:
    """Finds the parts and classes of a folder of images; opens no image.

    Args:
        root: the folder, which exists.
        fewest_classes: how many there must be; one is enough to evaluate on.

    Raises:
        DataError: if there are fewer classes, a part has other classes than the training part, two folders
            may be the same part, or what look like classes are parts by their content.
    """
    place = _descended(root, stop_at_parts=True)
    places = _parts(place)
    train = _descended(places["train"]) if places else place
    class_names = tuple(path.name for path in listing.folders(train))
    check_class_names(class_names, _shown(train))
    if len(class_names) < fewest_classes:
        raise TooFewImagesError(
            f"A folder of images must hold one folder for each class, two or more. Received: {_shown(train)} with "
            f"{len(class_names)} folders {list(class_names)}. Put each class's images into a folder of its own."
        )
    _refuse_same_folders(train, class_names)
    classes, used = {"train": listing.folders(train)}, {"train": train}
    warnings = []
    for part in [part for part in PARTS if part in places and part != "train"]:
        folder = _descended(places[part], keep=class_names)
        found = _classes_of_part(part, folder, train, class_names)
        shown = f"{_shown(folder.relative_to(place))}/"
        if found:
            classes[part], used[part] = found, folder
        else:
            warnings.append(
                f"warning: {shown} holds images ({len(listing.image_files(folder)):,}) but no class folders, so it is "
                f"not used: the {PARTS[part]} images are drawn from the training images"
            )
    notes = [f"the class folders are read from {_shown(place)}"] if place != root else []
    if places:
        named = (f"{_shown(used[part].relative_to(place))}/: {PARTS[part]}" for part in PARTS if part in used)
        notes += [", ".join(named), _not_used(place, places)]
    loose = sum(len(listing.image_files(folder)) for folder in {root, place, *used.values()})
    return Layout(root, class_names, classes, loose, tuple(note for note in (*notes, *warnings) if note))


def _descended(folder: Path, *, keep: tuple[str, ...] = (), stop_at_parts: bool = False) -> Path:
    """Goes from a folder with one folder only into that, as long as it holds folders: photos.zip → photos/photos/CLASS.

    Args:
        folder: where to begin.
        keep: for a part beside the training part: names of classes, which are not gone into.
        stop_at_parts: whether to stay where the one folder is a part by its name.
    """
    for _ in range(8):  # a link may lead back here
        within = listing.folders(folder)
        if len(within) != 1 or within[0].name in keep or (stop_at_parts and _parts(folder)):
            break
        twin = bool(keep) and folder.name.lower() == within[0].name.lower()  # test/test/*.jpg
        if not twin and not listing.folders(within[0]):
            break
        folder = within[0]
    return folder


def _parts(place: Path) -> dict[str, Path]:
    """Finds the folders that are parts by their names; {} where the folders are classes.

    `train` without another part is one only if it holds folders: a class may be called so. What stands before or after
    the part's name must be the same for all: seg_train and seg_test are parts, freight_train is none.

    Raises:
        DataError: if two folders may be the same part.
    """
    groups: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for path in listing.folders(place):
        match = _PART_NAME.fullmatch(path.name)
        if match:
            affixes = ((match["before"] or "").lower(), (match["after"] or "").lower())
            part = next(part for part in PARTS if match[part])
            groups.setdefault(affixes, collections.defaultdict(list))[part].append(path)
    found: dict[str, list[Path]] = collections.defaultdict(list)
    for affixes, group in groups.items():
        alone = len(group) == 1
        if "train" in group and not (alone and (any(affixes) or not any(map(listing.folders, group["train"])))):
            for part, paths in group.items():
                found[part] += paths
    for part, paths in found.items():
        if len(paths) > 1:
            raise DataError(
                f"A folder of images must have one {PARTS[part]} part at most. Received: {_shown(place)} with "
                f"{', '.join(_shown(path.name) for path in paths)}. Rename, merge or move away all but one."
            )
    return {part: paths[0] for part, paths in found.items()}


def part_named(name: str) -> str | None:
    """Tells which part a folder is by its name alone; None where that is none of a part.

    >>> part_named("seg_Test"), part_named("cat")
    ('test', None)
    """
    match = _PART_NAME.fullmatch(name)
    return next(part for part in PARTS if match[part]) if match else None


def _classes_of_part(part: str, folder: Path, train: Path, class_names: tuple[str, ...]) -> list[Path]:
    """Lists the class folders of the validation or test part; [] where its images have no classes."""
    found = listing.folders(folder)
    names = [path.name for path in found]
    if not found and listing.image_files(folder):
        return []
    if names and set(names) <= set(class_names):
        return found
    advice = "Rename, fill or delete them."
    written = {as_read(name).casefold(): name for name in class_names}
    for name in sorted(set(names) - set(class_names)):
        if other := written.get(as_read(name).casefold()):
            advice = f"{name!a} and {other!a} must be written alike: rename one as the other."
    raise DataError(
        f"The {PARTS[part]} folder must hold folders of the classes in {_shown(train)}. Received: {_shown(folder)} "
        f"with the folders {names}, expected among {list(class_names)}. {advice}"
    )


def _not_used(place: Path, places: dict[str, Path]) -> str:
    """Names the folders beside the parts."""
    others = [f"{_shown(path.name)}/" for path in listing.folders(place) if path not in places.values()]
    warning = "" if len(places) > 1 else "warning: "  # beside a training part alone, they may well be classes
    return f"{warning}not used, as no part is called so: {listed(others)}" if others else ""


def _refuse_same_folders(train: Path, class_names: tuple[str, ...]) -> None:
    """Refuses "classes" that hold no images and all the same folders: these are parts, or a second way to divide."""
    if any(listing.image_files(train / name) for name in class_names):
        return
    common = set.intersection(*({path.name for path in listing.folders(train / name)} for name in class_names))
    if len(common) > 1:
        raise DataError(
            f"Class folders must hold images. Received: {_shown(train)}, whose folders {listed(class_names)} all hold "
            f"folders of the same names ({_shown(listed(sorted(common)))}), so which of them are classes is open. Call "
            "parts train, validation and test, each with one folder a class; or put each class's images directly into "
            "its folder."
        )


def root_of(dataset: str) -> Path:
    """Returns the folder of a data set.

    Raises:
        DataError: if there is none.
    """
    root = Path(os.path.expanduser(dataset))
    if not os.path.isdir(root):  # False, too, for what no path can be
        raise DataError(
            "--dataset must be digits, a name of TensorFlow Datasets, a folder or an .npz file. Received: "
            f"dataset={dataset!r}, which does not exist{where(dataset)}. Check the spelling and the folder that you "
            "are in."
        )
    return root

"""An .npz file of arrays, as `numpy.savez` writes it: x_train, y_train, and if wanted x_test, y_test, class_names."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data.sources.base import Source, make_source
from epnas_tf.errors import DataError

_KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")


def check(config: DataConfig) -> None:
    """Refuses a file that is not there, is no .npz file or lacks an array; reads no array."""
    with _open(config.dataset):
        pass


def read(config: DataConfig) -> Source:
    """Reads an .npz file.

    Images are [n, height, width] or [n, height, width, channels] with 1 or 3 channels: whole numbers from 0 to 255, or
    floats from 0 to 1 (if none of x_train is above 1; they are multiplied by 255) or from 0 to 255. Labels are whole
    numbers from 0, [n] or [n, 1]; they may have gaps. `class_names`, strings [classes], has the name of label i at i.

    Raises:
        DataError: if the file is not there or broken, an array is missing, or one has another shape, type or range.
    """
    with _open(config.dataset) as arrays:
        values = {key: _array(arrays, key, config.dataset) for key in _KEYS if key in arrays.files}
    limit = 1.0 if values["x_train"].dtype.kind == "f" and np.all(values["x_train"] <= 1) else 255.0
    train = _images(values["x_train"], "x_train", limit), _labels(values["y_train"], "y_train", len(values["x_train"]))
    test = None
    if "x_test" in values:
        # The test images are read by the scale of the training images: guessed anew, the two could differ.
        types = values["x_train"].dtype, values["x_test"].dtype
        if (types[0].kind == "f") != (types[1].kind == "f"):
            raise DataError(
                "x_train and x_test must both be whole numbers or both be floats, or their scales could differ. "
                f"Received: {types[0]} and {types[1]} in {config.dataset}. Convert both to uint8."
            )
        test = _images(values["x_test"], "x_test", limit), _labels(values["y_test"], "y_test", len(values["x_test"]))
    names = values.get("class_names")
    if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
        raise DataError(
            f"`class_names` must be an array of strings [classes]. Received: {names.dtype} {list(names.shape)} in "
            f"{config.dataset}. Save it as np.array(['cat', 'dog'])."
        )
    class_names = None if names is None else [str(name) for name in names]
    return make_source(Path(config.dataset).name, train, test, class_names)


def _open(dataset: str) -> Any:
    path = Path(os.path.expanduser(dataset))
    if not os.path.isfile(path) or not zipfile.is_zipfile(path):
        what = "which is a folder" if os.path.isdir(path) else "which is something else"
        what = what if os.path.exists(path) else "no such file"
        raise DataError(
            "A data set that is one file must be an .npz file, as numpy.savez writes it. Received: "
            f"dataset={dataset!r}, {what}. Write it with numpy.savez(path, x_train=…, y_train=…)."
        )
    try:
        arrays = np.load(path, allow_pickle=False)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _broken(dataset, "its list of arrays", error) from error
    expected = ["x_train", "y_train"]
    if {"x_test", "y_test"} & set(arrays.files):
        expected += ["x_test", "y_test"]
    missing = [key for key in expected if key not in arrays.files]
    if missing:
        found = arrays.files
        arrays.close()
        raise DataError(
            "An .npz file must hold x_train and y_train, and either both of x_test and y_test or neither. Received: "
            f"{dataset} with {found}, without {missing}. Save the arrays under these names."
        )
    return arrays


def _array(arrays: Any, key: str, dataset: str) -> npt.NDArray[Any]:
    try:
        value: npt.NDArray[Any] = arrays[key]
    except Exception as error:  # a broken member: zlib, zipfile and NumPy each raise their own
        raise _broken(dataset, key, error) from error
    return value


def _broken(dataset: str, what: str, error: Exception) -> DataError:
    return DataError(
        f"An .npz file must be whole and hold plain arrays, no Python objects. Received: {dataset}, of which {what} "
        f"cannot be read ({error}). Write it anew with numpy.savez."
    )


def _images(images: npt.NDArray[Any], key: str, limit: float) -> npt.NDArray[np.uint8]:
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
        raise DataError(
            f"`{key}` must be images [n, height, width] or [n, height, width, channels] with 1 or 3 channels, channels "
            f"last. Received: shape {list(images.shape)}. Transpose or convert them."
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "iuf":
        raise DataError(
            f"`{key}` must be whole numbers from 0 to 255, or floats from 0 to 1 or 0 to 255. Received: "
            f"{images.dtype}. Convert it to uint8."
        )
    if images.dtype.kind == "f" and not np.all(np.isfinite(images)):
        raise DataError(
            f"`{key}` must be finite. Received: NaN or infinity among its values. Mend or leave out those images."
        )
    low, high = images.min(), images.max()
    if low < 0 or high > limit:
        raise DataError(
            f"`{key}` must lie within 0 and {limit:g} (floats: within 0 and 1 if x_train does). Received: "
            f"values from {low:g} to {high:g}. Undo the normalisation and save pixels as uint8."
        )
    return np.rint(images * (255 / limit)).astype(np.uint8)


def _labels(labels: npt.NDArray[Any], key: str, count: int) -> npt.NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"`{key}` must be class numbers, integers [n] or [n, 1]. Received: {labels.dtype} {list(labels.shape)}. "
            "Turn one-hot rows or names into numbers first."
        )
    if len(labels) != count:
        raise DataError(
            f"`{key}` must have one label for each image, {count}. Received: {len(labels)} labels. "
            "Save images and labels of the same rows."
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise DataError(
            f"`{key}` must be class numbers from 0, below 2^31. Received: labels from {labels.min()} to "
            f"{labels.max()}. "
            "Leave out images without a label, and number the classes from 0."
        )
    return labels.astype(np.int64)

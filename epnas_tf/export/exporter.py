"""The export: each file is written to a temporary folder, loaded with its own loader and compared on real images."""

import contextlib
import dataclasses
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array
from epnas_tf.cost.network_cost import cost
from epnas_tf.environment import check_environment
from epnas_tf.errors import RunDirectoryError
from epnas_tf.evaluation.classifier import ModelError
from epnas_tf.evaluation.location import locate
from epnas_tf.evaluation.models import CheckpointClassifier, load_classifier
from epnas_tf.evaluation.precision import full_precision
from epnas_tf.evaluation.preparation import to_document
from epnas_tf.export.formats import FORMATS, OLDEST_KERAS, ExportError, Format, Parity, compare, select
from epnas_tf.export.images import ExportImages, images_for_export
from epnas_tf.export.target import Target, write_export_file
from epnas_tf.storage.state_files import translate_os_errors
from epnas_tf.storage.training_directory import FOLDER as FINAL

if TYPE_CHECKING:
    from epnas_tf.training.trained import TrainedNetwork

FOLDER = "export"

NUM_ENCODED = 64
"""Images that are compared as files, too: decoding does not depend on the network."""


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """An exported file that has passed the comparison.

    Attributes:
        format: its format.
        path: the file or folder.
        size: its size in bytes; of a folder, that of all files in it.
        parity: its difference from the trained network.
    """

    format: Format
    path: Path
    size: int
    parity: Parity


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """The result of an export.

    Attributes:
        output: the folder.
        files: the files in it, export.json apart.
        images: the images they were compared on, in words.
        left_out: the reason for each format, by name, that rounding changes too much.

    Example:
        >>> import epnas_tf
        >>> result = epnas_tf.export_network("runs/demo", ["keras"], "elsewhere", overwrite=True)
        >>> result.output.name, dict(result.left_out)
        ('elsewhere', {})
    """

    output: Path
    files: tuple[ExportedFile, ...]
    images: str
    left_out: Mapping[str, str]


def export_network(
    run_dir: str | os.PathLike[str],
    formats: Iterable[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Exports the network of a finished final training.

    Args:
        run_dir: the run's directory, or that of its final training.
        formats: names in `FORMATS`; if one fails, nothing is written. None for all formats, except for 8-bit ones whose
            rounding changes the predictions too much.
        output: the folder to write; None for `export` in the run's directory, or in that of a final training outside
            a run.
        overwrite: whether to replace an existing export once the new one has passed.

    Returns:
        The files, each with its difference from the trained network.

    Raises:
        ConfigError: if a format is unknown, or `check_environment` refuses this process.
        DataError: if there are no images to compare on.
        ExportError: if `output` exists, or a float32 file or one that was requested by name differs too much from the
            trained network. Nothing is written then.
        RunDirectoryError: if there is no finished final training, or `output` cannot be written.

    Example:
        >>> import epnas_tf
        >>> result = epnas_tf.export_network("runs/demo", ["keras"], overwrite=True)
        >>> [file.path.name for file in result.files]
        ['model.keras']
    """
    check_environment()
    return Export(run_dir, formats, output, overwrite).run()


class Export:
    """A prepared export, checked without TensorFlow; `run` performs it.

    Args:
        run_dir: see `export_network`, like the other arguments.
        formats: the formats to write.
        output: the folder.
        overwrite: whether to replace an existing export.
        tell: receives the progress, one line at a time.

    Raises:
        ConfigError: as in `export_network`.
        ExportError: if `output` exists.
        RunDirectoryError: if there is no final training.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        formats: Iterable[str] | None = None,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.formats, self._all_or_nothing = select(FORMATS if formats is None else formats), formats is not None
        self.final = _final_directory(Path(run_dir))
        self.target = Target(Path(output) if output else _default_output(Path(run_dir), self.final), overwrite)
        self._tell = tell

    def run(self) -> ExportResult:
        """Writes the files, compares them and moves them into place; see `export_network`."""
        from epnas_tf.training.trained import load_trained

        self._tell(f"reading {self.final}")
        trained = load_trained(self.final)
        images = images_for_export(self.final, trained.description, self._tell)
        left_out: dict[str, str] = {}
        with full_precision(), self.target.staging() as folder:
            expected = CheckpointClassifier(trained).predict(images.compared)
            self._write(trained, folder, images, left_out)
            files: list[ExportedFile] = []
            for entry in self.formats:
                if entry.name not in left_out:
                    with self._leaving_out(entry, folder, left_out):
                        files.append(self._compared(entry, folder, trained, images.compared, expected))
            write_export_file(folder, _document(trained, files, images, left_out))
        placed = tuple(dataclasses.replace(file, path=self.target.path / file.path.name) for file in files)
        return ExportResult(self.target.path, placed, images.compared_on, left_out)

    @contextlib.contextmanager
    def _leaving_out(self, entry: Format, folder: Path, left_out: dict[str, str]) -> Iterator[None]:
        """Removes a file that is refused and records why in `left_out`, or refuses the export.

        A float32 file that differs contains a wrong number, and so may all others. The effect of 8-bit rounding is a
        property of the network.
        """
        try:
            yield
        except ExportError as error:
            if self._all_or_nothing or not entry.quantised:
                advice = "Nothing is exported; --format with the other formats exports these alone."
                raise ExportError(f"{error} {advice}") from error
            left_out[entry.name] = str(error)
            (folder / entry.file).unlink(missing_ok=True)

    def _write(self, trained: "TrainedNetwork", folder: Path, images: ExportImages, left_out: dict[str, str]) -> None:
        from epnas_tf.export.plain import plain_model
        from epnas_tf.export.writers import WRITERS

        network, description = trained.network, trained.description
        model = plain_model(
            network.graph,
            network.shape.image_shape,
            network.layers,
            (description.mean, description.std),
            name=_model_name(description.name),
        )
        for entry in self.formats:
            calibrated = f", calibrated on {images.calibrated_on}" if entry.calibrated else ""
            self._tell(f"writing {entry.file}{calibrated}")
            options: dict[str, Any] = {"calibration": images.calibration} if entry.calibrated else {}
            if entry.takes_files:
                options |= {"class_names": description.class_names, "preparation": description.preparation}
            with self._leaving_out(entry, folder, left_out), _writing(self.target.path):
                WRITERS[entry.name](model, folder / entry.file, **options)

    def _compared(
        self,
        entry: Format,
        folder: Path,
        trained: "TrainedNetwork",
        images: npt.NDArray[np.uint8],
        expected: Float32Array,
    ) -> ExportedFile:
        """Loads a file and compares its predictions.

        Raises:
            ExportError: if it cannot be run, or differs too much.
        """
        from epnas_tf.export.decoding import classify_encoded

        self._tell(f"comparing {entry.file} on {len(images)} images")
        path = folder / entry.file
        try:
            classifier = load_classifier(path)
        except ModelError as error:
            # Of a layer whose output is always zero, 8 bits have a scale that XNNPACK refuses, for example.
            raise ExportError(f"{entry.file} was written and cannot be run: {error}") from error
        if classifier.class_names not in (None, trained.description.class_names):
            raise ExportError(
                f"{entry.file} names other classes than the trained network: expected "
                f"{trained.description.class_names}. Received: {classifier.class_names}."
            )
        parity = compare(expected, classifier.predict(images))
        if entry.takes_files:
            some = images[:NUM_ENCODED]
            encoded = compare(expected[: len(some)], classify_encoded(path, some))
            # The worse of the two, also where the second is NaN.
            parity = parity if encoded.max_difference <= parity.max_difference else encoded
        entry.check(parity)
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return ExportedFile(entry, path, sum(file.stat().st_size for file in files), parity)


def _final_directory(run_dir: Path) -> Path:
    """Finds the directory of the final training.

    Raises:
        RunDirectoryError: if there is none.
    """
    location = locate(run_dir) if run_dir.is_dir() else None
    if location is None or location.kind != "checkpoint":
        what = "no directory" if location is None else "an exported model already"
        raise RunDirectoryError(
            f"An export begins with the directory of a run. Received: {run_dir}, which is {what}. Give what --run_dir "
            "or --final_dir named."
        )
    return location.path


def _default_output(run_dir: Path, final: Path) -> Path:
    """Returns the default place: beside the folder `final` of a run, else inside the final training's own folder."""
    if final != run_dir:
        return run_dir / FOLDER
    place = final.resolve()
    return (place.parent if place.name == FINAL else place) / FOLDER


def _document(
    trained: "TrainedNetwork", files: Sequence[ExportedFile], images: ExportImages, left_out: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the content of export.json."""
    import keras
    import tensorflow as tf

    description, shape = trained.description, trained.network.shape
    return {
        "name": description.name,
        "architecture": str(trained.architecture),
        "class_names": list(description.class_names),
        "image_shape": list(shape.image_shape),
        "preparation": to_document(description.preparation),
        "mean": list(description.mean),
        "std": list(description.std),
        **dataclasses.asdict(cost(trained.network.graph, shape.image_shape)),
        "compared_on": images.compared_on,
        "calibrated_on": images.calibrated_on if any(file.format.calibrated for file in files) else None,
        "left_out": dict(left_out),
        "files": [_entry(file, shape.image_shape, description.num_classes) for file in files],
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
        "oldest_keras": OLDEST_KERAS,
    }


def _entry(file: ExportedFile, image_shape: tuple[int, int, int], num_classes: int) -> dict[str, Any]:
    batch = file.format.batch
    outputs: dict[str, Any] = {"probabilities": {"type": file.format.output_type, "shape": [batch, num_classes]}}
    if file.format.output_type == "uint8":
        outputs["probabilities"]["scale"] = 1 / 256
    signature: dict[str, Any] = {}
    if file.format.takes_files:
        outputs["class_name"] = {"type": "string", "shape": [None]}
        outputs["class_names"] = {"type": "string", "shape": [None, num_classes]}
        signature["classify_files"] = {"files": {"type": "string", "shape": [None]}}
    return {
        "format": file.format.name,
        "file": file.format.file,
        "content": file.format.content,
        "good_for": file.format.good_for,
        "bytes": file.size,
        "max_difference": file.parity.max_difference,
        "equal_predictions": file.parity.equal_predictions,
        "inputs": {"images": {"type": file.format.input_type, "shape": [batch, *image_shape], "range": [0, 255]}},
        "outputs": outputs,
        **signature,
    }


def _model_name(data_name: str) -> str:
    """Returns the name of the Keras model, in letters that every tool accepts."""
    return "epnas_" + (re.sub(r"[^A-Za-z0-9]+", "_", data_name).strip("_") or "network")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Translates write errors of the system or of TensorFlow into the project's own error."""
    import tensorflow as tf

    try:
        with translate_os_errors(path), warnings.catch_warnings():
            # Keras saves variables in a form that NumPy 2 has deprecated, and a warning may have been made an error.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            yield
    except tf.errors.OpError as error:
        raise RunDirectoryError(f"{path} cannot be written. Received: {error.message.splitlines()[0]}") from error

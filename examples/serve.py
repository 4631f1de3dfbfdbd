"""Uses an exported network with TensorFlow alone: nothing of epnas_tf is imported.

python examples/serve.py RUN_DIR                  # the test images that the final training has kept
python examples/serve.py RUN_DIR photo.jpg …      # JPEG and PNG files of any size
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(run_dir: Path, files: list[Path]) -> None:
    """Prints what the exported network says of files, or of some test images."""
    model = run_dir / "export" / "saved_model"
    if not model.is_dir():
        sys.exit(f"There is no exported network to serve. Received: {model}. Run epnas-export {run_dir} first.")
    signatures = tf.saved_model.load(str(model)).signatures
    if files:
        try:
            answers = signatures["classify_files"](files=tf.constant([file.read_bytes() for file in files]))
        except OSError as error:
            sys.exit(f"Every file must be readable. Received: {error}")
        except tf.errors.InvalidArgumentError as error:
            sys.exit(next(line for line in error.message.splitlines() if "Received" in line))
        notes = [str(file) for file in files]
    else:
        with np.load(run_dir / "final" / "test.npz") as kept:
            images = np.concatenate([kept["right_images"][:8], kept["wrong_images"][:2]])  # uint8, raw pixels
            labels = kept["labels"][np.concatenate([kept["right_indices"][:8], kept["wrong_indices"][:2]])]
        answers = signatures["serving_default"](images=tf.constant(images))
        notes = [f"is {answers['class_names'].numpy()[0, label].decode()}" for label in labels]
    for note, name, probability in zip(
        notes, answers["class_name"].numpy(), answers["probabilities"].numpy().max(axis=1), strict=True
    ):
        print(f"{name.decode():>12}  {100 * probability:5.1f} %  ({note})")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Give a run directory, and files if you like: python examples/serve.py RUN_DIR [photo.jpg …]")
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])

"""Uses an exported network with TensorFlow alone: nothing of epnas_tf is imported.

    python examples/serve.py RUN_DIR

It answers the test images that the final training has kept in RUN_DIR/final/test.npz.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(run_dir: Path) -> None:
    """Prints what the exported network says of some test images."""
    model = run_dir / "export" / "saved_model"
    if not model.is_dir():
        sys.exit(f"There is no exported network to serve. Received: {model}. Run epnas-export {run_dir} first.")
    classify = tf.saved_model.load(str(model)).signatures["serving_default"]
    with np.load(run_dir / "final" / "test.npz") as kept:
        images = np.concatenate([kept["right_images"][:8], kept["wrong_images"][:2]])  # uint8, raw pixels
        labels = kept["labels"][np.concatenate([kept["right_indices"][:8], kept["wrong_indices"][:2]])]
    answers = classify(images=tf.constant(images))
    for label, name, probability in zip(
        labels, answers["class_name"].numpy(), answers["probabilities"].numpy().max(axis=1), strict=True
    ):
        true_name = answers["class_names"].numpy()[0, label]
        print(f"{name.decode():>12}  {100 * probability:5.1f} %  (is {true_name.decode()})")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give one run directory: python examples/serve.py RUN_DIR")
    main(Path(sys.argv[1]))

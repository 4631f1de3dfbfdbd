"""The parts that the displays share."""

from typing import Self

from epnas_tf.bin.console import Terminal
from epnas_tf.data import ImageData


class Display:
    """Sentences on a console; used in a `with` statement, in which a live display stays in place.

    Args:
        console: the console.
    """

    def __init__(self, console: Terminal) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Writes a sentence."""
        self.console.say(text)

    def warning(self, text: str) -> None:
        """Writes a warning."""
        self.say(f"warning: {text}")

    def say_data(self, data: ImageData, more: str = "") -> None:
        """Writes what the images are, with more text behind it, and the decisions about them."""
        height, width, channels = data.image_shape
        self.say(
            f"{data.name}: {len(data.train)} training, {len(data.validation)} validation and {len(data.test)} test "
            f"images of {height}×{width}×{channels} in {data.num_classes} classes{more}"
        )
        for note in data.notes:
            self.say(note)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

import numpy as np
import pytest
from PIL import Image

from epnas_tf.data import ImageData, Images
from epnas_tf.errors import DataError
from epnas_tf.evaluation.classifier import Classifier
from epnas_tf.evaluation.matching import BY_NAME, BY_NUMBER, SAME, SOME, TO_COLOUR, TO_GREY, match, with_channels


class Fixed(Classifier):
    def run(self, images):
        raise NotImplementedError


def classifier(names, count=3, shape=(6, 6, 1)):
    return Fixed(shape, count, names, name="model.keras")


def data(names, shape=(6, 6, 1)):
    part = Images(np.zeros((2, *shape), np.uint8), np.arange(2, dtype=np.int32))
    statistics = np.zeros(shape[2], np.float32), np.ones(shape[2], np.float32)
    return ImageData("photos", part, part, part, tuple(names), *statistics)


ANIMALS = ("ant", "bee", "cat")


@pytest.mark.parametrize(
    ("ours", "theirs", "names", "to_model", "how"),
    [
        (ANIMALS, ANIMALS, ANIMALS, [0, 1, 2], SAME),
        (ANIMALS, ("cat", "ant", "bee"), ANIMALS, [2, 0, 1], BY_NAME),
        (ANIMALS, "012", ANIMALS, [0, 1, 2], BY_NUMBER),
        (("0", "1", "2"), ANIMALS, ANIMALS, [0, 1, 2], BY_NUMBER),
        (None, ANIMALS, ANIMALS, [0, 1, 2], BY_NUMBER),
        (("0", "1", "2"), "012", ("0", "1", "2"), [0, 1, 2], SAME),
        (("1", "2", "3"), "321", ("1", "2", "3"), [2, 1, 0], BY_NAME),
        (ANIMALS, ("bee", "cat"), ANIMALS, [1, 2], SOME),
        (("0", "1", "2"), "02", ("0", "1", "2"), [0, 2], SOME),
    ],
)
def test_classes_are_matched(ours, theirs, names, to_model, how):
    matching = match(classifier(ours), data(theirs))
    assert matching.class_names == names
    assert matching.to_model.tolist() == to_model
    assert matching.how == how


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ANIMALS, ("ant", "bee", "cow")), (ANIMALS, "123"), (ANIMALS, "01"), (ANIMALS, ("ant", "cow")), (None, "01")],
)
def test_other_classes_are_refused(ours, theirs):
    with pytest.raises(DataError) as error:
        match(classifier(ours), data(theirs))
    expected = f"these 3 classes apart: {', '.join(ours or '012')}. Received: photos with {len(theirs)} classes: "
    assert expected + ", ".join(theirs) in str(error.value)


def test_classes_without_images_are_named():
    assert match(classifier(ANIMALS), data(("bee", "cat"))).absent == ("ant",)
    assert match(classifier(ANIMALS), data(("cat", "ant", "bee"))).absent == ()


def test_unknown_classes_are_named():
    with pytest.raises(DataError, match=r"Leave out what the model does not know: cow\.$"):
        match(classifier(ANIMALS), data(("ant", "bee", "cow")))


def test_model_moved_away_from_its_names_says_where_they_are():
    with pytest.raises(DataError, match=r"same classes\. The names of the model's are not known; .* in export\.json"):
        match(classifier(None), data(("ant", "bee")))


def test_grey_and_colour_images_are_told_apart():
    grey, colour = (6, 6, 1), (6, 6, 3)
    assert match(classifier(ANIMALS, shape=colour), data(ANIMALS, grey)).channels == TO_COLOUR
    assert match(classifier(ANIMALS, shape=grey), data(ANIMALS, colour)).channels == TO_GREY
    assert match(classifier(ANIMALS, shape=grey), data(ANIMALS, grey)).channels is None


def test_channels_are_those_of_the_same_picture_read_for_the_network():
    """Every grey level that Pillow makes of some colours, and back."""
    levels = np.arange(0, 256, 5, np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, levels.size, 3)
    picture = Image.fromarray(colours[0])
    grey = with_channels(colours, 1)
    np.testing.assert_array_equal(grey[0, ..., 0], np.asarray(picture.convert("L")))
    np.testing.assert_array_equal(with_channels(grey, 3)[0], np.asarray(picture.convert("L").convert("RGB")))
    assert with_channels(colours, 3) is colours


def test_long_lists_of_classes_are_cut():
    with pytest.raises(DataError, match=r"19, … \(180 more\)\. Received: photos with 3 classes: ant, bee, cat"):
        match(classifier(None, count=200), data(ANIMALS))


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ((8, 8, 1), (6, 6, 1), "takes images of 8×8×1. Received: photos with 6×6×1. --image_size=8"),
        ((8, 8, 3), (6, 6, 1), "takes images of 8×8×3. Received: photos with 6×6×1. --image_size=8"),
        ((6, 8, 1), (6, 6, 1), "--image_size=-1 (`image_size`) brings the images to that size."),
    ],
)
def test_images_of_another_shape_are_refused(ours, theirs, message):
    with pytest.raises(DataError) as error:
        match(classifier(ANIMALS, shape=ours), data(ANIMALS, theirs))
    assert message in str(error.value)

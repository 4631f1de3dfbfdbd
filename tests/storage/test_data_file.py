import dataclasses

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.data_file import describe_data, load_description, refuse_other_images, save_description
from tests.data.helpers import make_data

DESCRIPTION = describe_data(make_data())


def refuse(directory, description, same_versions=True):
    refuse_other_images(directory, description, same_versions, "Do something.")


def test_description_of_a_data_set_round_trips(tmp_path):
    save_description(tmp_path, DESCRIPTION)
    assert load_description(tmp_path) == DESCRIPTION
    assert DESCRIPTION.digest == make_data().digest


def test_the_same_images_and_a_directory_without_any_are_taken(tmp_path):
    refuse(tmp_path, DESCRIPTION)
    save_description(tmp_path, DESCRIPTION)
    refuse(tmp_path, DESCRIPTION)


@pytest.mark.parametrize(
    ("change", "always"),
    [
        ({"num_train": 1}, True),
        ({"class_names": ("one", "other")}, True),
        ({"image_shape": (4, 4, 3)}, True),
        ({"digest": "of other pixels"}, False),
        ({"mean": (1.5,)}, False),
        ({"skipped": ("a/1.jpg: broken",)}, False),
    ],
    ids=str,
)
def test_other_images_are_refused_with_what_differs(tmp_path, change, always):
    save_description(tmp_path, DESCRIPTION)
    other = dataclasses.replace(DESCRIPTION, **change)
    ((name, value),) = change.items()
    with pytest.raises(RunDirectoryError) as error:
        refuse(tmp_path, other)
    received = f"{name} {getattr(DESCRIPTION, name)} there, {value} now" if always else "as many images"
    assert f"Do something. Received: {received}" in str(error.value)
    # Other versions of the packages may decode or resize a little differently.
    if always:
        with pytest.raises(RunDirectoryError):
            refuse(tmp_path, other, same_versions=False)
    else:
        refuse(tmp_path, other, same_versions=False)

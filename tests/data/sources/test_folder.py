import numpy as np
import pytest
from PIL import Image

from epnas_tf.config import DataConfig
from epnas_tf.data import sources
from epnas_tf.errors import DataError


def pixels(seed, shape=(6, 6, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def fill(root, counts, shape=(6, 6, 3)):
    """Writes PNG files, and returns their pixels by class."""
    written = {}
    for name, count in counts.items():
        written[name] = [pixels(len(name) * 100 + index, shape) for index in range(count)]
        for index, array in enumerate(written[name]):
            save(root / name / f"{index:03}.png", array)
    return written


def read(root, **settings):
    config = DataConfig(dataset=str(root), **settings)
    sources.check(config)
    return sources.read(config)


def test_class_folders_are_read_in_the_order_of_their_names(tmp_path):
    written = fill(tmp_path, {"zebra": 3, "ant": 2, "horses": 4})
    source = read(tmp_path)
    assert source.class_names == ("ant", "horses", "zebra")
    np.testing.assert_array_equal(source.train.labels, [0, 0, 1, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(source.train.images, [*written["ant"], *written["horses"], *written["zebra"]])
    assert source.test is None
    assert source.name == tmp_path.name


def test_train_and_test_folders_are_kept_apart(tmp_path):
    train = fill(tmp_path / "train", {"a": 3, "bb": 2})
    test = fill(tmp_path / "test", {"bb": 2})
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.images, [*train["a"], *train["bb"]])
    np.testing.assert_array_equal(source.test.images, test["bb"])
    np.testing.assert_array_equal(source.test.labels, [1, 1])


def test_a_train_folder_alone_has_no_test(tmp_path):
    fill(tmp_path / "train", {"a": 3, "b": 2})
    assert read(tmp_path).test is None


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, {"train": 2, "bus": 2})
    assert read(tmp_path).class_names == ("bus", "train")


def test_every_kind_of_file_is_read_and_other_files_are_not(tmp_path):
    array = pixels(0)
    for index, extension in enumerate(("png", "jpg", "JPEG", "bmp", "gif", "webp")):
        save(tmp_path / "a" / f"{index}.{extension}", array)
    fill(tmp_path, {"b": 1})
    (tmp_path / "a" / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.labels, [0] * 6 + [1])
    np.testing.assert_array_equal(source.train.images[0], array)
    np.testing.assert_array_equal(source.train.images[3], array)


def test_folders_within_a_class_belong_to_it(tmp_path):
    ants, bees = fill(tmp_path, {"ant": 2, "bees": 2}).values()
    (deeper,) = fill(tmp_path / "ant", {"2024/may": 3}).values()
    (first,) = fill(tmp_path / "bees", {"000": 1}).values()  # in the order of the names: before 000.png
    fill(tmp_path / "ant", {".thumbnails": 1})
    (tmp_path / "bees" / "circle").symlink_to(tmp_path / "bees", target_is_directory=True)
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.images, [*ants, *deeper, *first, *bees])
    np.testing.assert_array_equal(source.train.labels, [0] * 5 + [1] * 3)
    for path in (tmp_path / "bees").glob("*.png"):
        path.unlink()
    np.testing.assert_array_equal(read(tmp_path).train.labels, [0] * 5 + [1])


def test_images_stay_grey_only_if_all_are(tmp_path):
    written = fill(tmp_path, {"a": 2, "b": 2}, (6, 6))
    source = read(tmp_path)
    assert source.train.shape == (6, 6, 1)
    np.testing.assert_array_equal(source.train.images[0, :, :, 0], written["a"][0])
    save(tmp_path / "b" / "colour.png", pixels(9))
    source = read(tmp_path)
    assert source.train.shape == (6, 6, 3)
    np.testing.assert_array_equal(source.train.images[0], np.repeat(written["a"][0][..., np.newaxis], 3, axis=2))


@pytest.mark.parametrize(
    ("image_size", "other", "expected"),
    [(0, (6, 6), (6, 6)), (0, (9, 6), (32, 32)), (10, (9, 6), (10, 10)), (6, (6, 6), (6, 6))],
)
def test_sizes_are_kept_if_all_are_the_same_unless_one_is_asked_for(tmp_path, image_size, other, expected):
    fill(tmp_path, {"a": 2, "b": 2})
    save(tmp_path / "b" / "other.png", pixels(3, (*other, 3)))
    assert read(tmp_path, image_size=image_size).train.shape == (*expected, 3)


def test_an_image_is_cut_to_its_centre_and_not_stretched(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    save(tmp_path / "a" / "wide.png", wide)
    save(tmp_path / "b" / "square.png", pixels(0))
    image = read(tmp_path, image_size=10).train.images[0]
    np.testing.assert_array_equal(image, np.full((10, 10, 3), 200))


def test_sixteen_bits_are_scaled_and_transparency_shows_white(tmp_path):
    deep = np.arange(0, 65536, 1821, dtype=np.uint16).reshape(6, 6)
    save(tmp_path / "a" / "deep.png", deep)
    clear = np.zeros((6, 6, 4), np.uint8)
    clear[:3, :, 3] = 255
    save(tmp_path / "b" / "clear.png", clear)
    images = read(tmp_path).train.images
    np.testing.assert_array_equal(images[0, :, :, 1], np.rint(deep / 257))
    np.testing.assert_array_equal(images[1, :3], np.zeros((3, 6, 3)))
    np.testing.assert_array_equal(images[1, 3:], np.full((3, 6, 3), 255))


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    array = pixels(0, (4, 8, 3))
    save(tmp_path / "a" / "turned.png", array, exif=exif)
    save(tmp_path / "b" / "upright.png", pixels(1, (8, 4, 3)))
    np.testing.assert_array_equal(read(tmp_path).train.images[0], np.rot90(array, -1))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Received: dataset='.*nowhere', which does not exist"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("names", [[], ["only"]])
def test_fewer_than_two_class_folders_are_refused(tmp_path, names):
    fill(tmp_path, dict.fromkeys(names, 2))
    with pytest.raises(DataError, match=rf"two or more\. Received: .* with {len(names)} folders"):
        read(tmp_path)


def test_a_class_folder_without_images_is_named(tmp_path):
    fill(tmp_path, {"a": 2})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"Received: .*empty with none"):
        read(tmp_path)


@pytest.mark.parametrize("names", [[], ["c"]])
def test_a_test_folder_with_other_classes_is_refused(tmp_path, names):
    fill(tmp_path / "train", {"a": 2, "b": 2})
    (tmp_path / "test").mkdir()
    fill(tmp_path / "test", dict.fromkeys(names, 1))
    with pytest.raises(DataError, match=r"Received: .*test with the folders .*expected among \['a', 'b'\]"):
        read(tmp_path)


@pytest.mark.parametrize("part", ["nothing", "text", "header", "half"])
def test_a_broken_image_is_named(tmp_path, part):
    fill(tmp_path, {"a": 2, "b": 2}, (40, 40, 3))
    path = tmp_path / "b" / "001.png"
    whole = path.read_bytes()
    path.write_bytes({"nothing": b"", "text": b"hello", "header": whole[:40], "half": whole[: len(whole) // 2]}[part])
    with pytest.raises(DataError, match=r"Received: .*b.001\.png, which cannot be read"):
        read(tmp_path)

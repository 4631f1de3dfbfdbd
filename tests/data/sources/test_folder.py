import numpy as np
import pytest
from PIL import Image

from epnas_tf.data.sources import base, pictures
from epnas_tf.errors import DataError
from tests.data.sources.image_files import fill, pixels, read, save


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


def test_every_kind_of_file_is_read_and_what_is_none_is_counted(tmp_path):
    array = pixels(0)
    lossless = ("png", "BMP", "gif", "tif", "TIFF", "jp2", "ppm", "tga", "qoi")
    for index, extension in enumerate((*lossless, "jpg", "JPEG", "jfif", "webp", "avif")):
        save(tmp_path / "a" / f"{index:02}.{extension}", array)
    fill(tmp_path, {"b": 1})
    for index, name in enumerate(("no_extension", "1.0.copy")):
        (tmp_path / "b" / name).write_bytes((tmp_path / "a" / f"{3 * index:02}.{lossless[3 * index]}").read_bytes())
    (tmp_path / "a" / ".hidden.png").write_bytes(b"no image")
    for index in range(2):
        (tmp_path / "a" / f"notes{index}.txt").write_text("no image")
    (tmp_path / "a" / "table").write_text("no image either")
    (tmp_path / "b" / "gone.png").symlink_to("nowhere.png")
    for clutter in ("Thumbs.db", ".DS_Store", "._000.png"):
        (tmp_path / "b" / clutter).write_text("of the system")
    (tmp_path / ".cache").mkdir()
    save(tmp_path / "cover.png", array)
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.labels, [0] * 14 + [1] * 3)
    for index in (*range(len(lossless)), 15, 16):
        np.testing.assert_array_equal(source.train.images[index], array)
    assert source.notes[0] == (
        "files left out: no images that can be read: 3 (.txt 2, no extension 1); hidden: 1; "
        "images beside the class folders: 1; links that lead nowhere: 1"
    )


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


def test_links_to_folders_are_followed_but_not_for_ever(tmp_path):
    ants, bees = fill(tmp_path / "photos", {"ant": 2, "bees": 1}).values()
    (elsewhere,) = fill(tmp_path, {"elsewhere": 3}).values()
    (tmp_path / "photos" / "bees" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "photos" / "bees")
    source = read(tmp_path / "photos")
    np.testing.assert_array_equal(source.train.images, [*ants, *bees, *elsewhere])
    assert source.notes[:2] == (
        "files left out: links back to a folder that they are in: 1",
        "images in folders within a class folder belong to its class: 3, such as bees/more/000.png",
    )


def test_copies_are_told(tmp_path):
    fill(tmp_path / "train", {"a": 4, "bb": 2})
    fill(tmp_path / "test", {"ccc": 2})
    (tmp_path / "test" / "ccc").rename(tmp_path / "test" / "a")
    for target, source in (("train/bb/x", "train/a/000"), ("test/a/y", "train/a/001"), ("train/a/z", "train/a/002")):
        (tmp_path / f"{target}.png").write_bytes((tmp_path / f"{source}.png").read_bytes())
    assert (
        read(tmp_path)
        .notes[-1]
        .startswith(
            "warning: copies of images, byte for byte: 1 in two classes (train/a/000.png = train/bb/x.png), "
            "1 in two parts (train/a/001.png = test/a/y.png), 1 within a class (train/a/002.png = train/a/z.png); "
        )
    )


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
    with pytest.raises(DataError, match=r"Received: .*empty with none\. "):
        read(tmp_path)
    for index, name in enumerate(("heic", "HEIC", "nef")):  # a raw file is a TIFF file by its content
        save(tmp_path / "a.tif", pixels(index))
        (tmp_path / "a.tif").rename(tmp_path / "empty" / f"photo.{name}")
    (tmp_path / "empty" / "photo.heic").write_bytes(b"an iPhone's")
    (tmp_path / "empty" / "photo.HEIC").write_bytes(b"an iPhone's")
    with pytest.raises(DataError, match=r"empty with none, but other files: 3 \(.heic 2, .nef 1\)"):
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
    with pytest.raises(DataError, match=r"Received: in .* 1 of 4 files that cannot be read: b.001\.png \("):
        read(tmp_path)


def break_files(root):
    """Twelve files of each class, of which the first eleven of a are broken, half of the first one is there."""
    fill(root, {"a": 12, "bb": 12}, (40, 40, 3))
    for index in range(11):
        path = root / "a" / f"{index:03}.png"
        path.write_bytes(b"" if index else path.read_bytes()[:2000])


def test_all_broken_images_are_counted_and_ten_are_named(tmp_path):
    break_files(tmp_path)
    with pytest.raises(DataError) as error:
        read(tmp_path)
    text = str(error.value)
    assert "11 of 24 files that cannot be read" in text
    assert "a/000.png (image file is truncated)" in text
    assert "a/009.png (empty file)" in text
    assert "a/010.png" not in text
    assert "and 1 more. Replace them or delete them, or leave them out by --skip_broken" in text


def test_broken_images_are_left_out_if_asked_for(tmp_path):
    break_files(tmp_path)
    save(tmp_path / "bb" / "small.png", pixels(0))
    (tmp_path / "bb" / "small.png").write_bytes((tmp_path / "bb" / "small.png").read_bytes()[:-60])
    source = read(tmp_path, skip_broken=True)
    assert source.train.shape == (40, 40, 3)  # as if the broken file of another size were not there
    np.testing.assert_array_equal(source.train.labels, [0] + [1] * 12)
    np.testing.assert_array_equal(source.train.images[0], Image.open(tmp_path / "a" / "011.png"))
    assert source.notes[0].startswith("warning: 12 of 25 files that cannot be read are left out, such as a/0")
    assert len(source.skipped) == 12
    assert "a/000.png: image file is truncated" in source.skipped
    (tmp_path / "a" / "011.png").unlink()
    with pytest.raises(DataError, match="Received: none in the training part's a, with 12 of 24 files"):
        read(tmp_path, skip_broken=True)


def test_an_image_beyond_the_limit_is_refused_as_that_and_a_large_one_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # Pillow refuses from 80 on and warns from 40 on
    fill(tmp_path, {"a": 1, "bb": 1}, (8, 9, 3))
    assert len(read(tmp_path).train) == 2
    save(tmp_path / "a" / "large.png", pixels(0, (9, 9, 3)))
    with pytest.raises(DataError, match=r"a/large\.png \(Image size \(81 pixels\) exceeds limit of 80 pixels"):
        read(tmp_path)


def test_images_that_do_not_fit_into_memory_are_refused_before_one_is_decoded(tmp_path, monkeypatch):
    fill(tmp_path, {"a": 2, "b": 2})
    monkeypatch.setattr(base, "available_bytes", lambda: 1_000)
    monkeypatch.setattr(pictures, "decode", None)
    message = r"4 images of 6×6: the images must fit into memory, .*Received: 0\.0 GB .* smaller ones by --image_size"
    with pytest.raises(DataError, match=message):
        read(tmp_path)

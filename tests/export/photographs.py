"""Pieces of two real photographs, as files of every kind that a camera or a program writes."""

import io
import itertools
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image, PngImagePlugin
from sklearn.datasets import load_sample_images

PHOTOGRAPHS = dict(zip(("temple", "flower"), load_sample_images().images, strict=True))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def pieces(photograph, count, seed=0):
    """Returns pieces of a photograph, of many sizes and shapes; PIL images."""
    rng, (rows, columns) = np.random.default_rng(seed), photograph.shape[:2]
    found = []
    for _ in range(count):
        height, width = (int(value) for value in rng.integers(40, 420, 2))
        top, left = int(rng.integers(0, rows - height)), int(rng.integers(0, columns - width))
        found.append(Image.fromarray(photograph[top : top + height, left : left + width]))
    return found


def encoded(picture, form, orientation=0, **options):
    """Returns a picture as the content of a file."""
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
        options["exif"] = exif
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(content, name, data):
    """Returns a PNG file with another chunk before its pixels."""
    place = content.index(b"IDAT") - 4
    added = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return content[:place] + added + content[place:]


def every_kind():
    """Returns files by what is special about them."""
    temple, flower = (pieces(photograph, 24) for photograph in PHOTOGRAPHS.values())
    files = {}
    for number, (quality, subsampling, progressive) in enumerate(
        itertools.product((30, 75, 90, 100), (0, 1, 2), (False, True))
    ):
        options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        files[f"JPEG {options}"] = encoded(temple[number], "JPEG", **options)
    for value in range(1, 9):
        files[f"JPEG turned {value}"] = encoded(flower[value], "JPEG", value)
        files[f"PNG turned {value}"] = encoded(flower[value], "PNG", value)
        files[f"JPEG turned {value} by XMP"] = encoded(flower[value], "JPEG", xmp=XMP % value)
    itxt = PngImagePlugin.PngInfo()
    itxt.add_itxt("XML:com.adobe.xmp", (XMP % 6).decode())
    files["PNG turned by XMP"] = encoded(temple[0], "PNG", pnginfo=itxt)
    files["EXIF before XMP"] = encoded(temple[1], "JPEG", 3, xmp=XMP % 6)
    files["JPEG grey"] = encoded(flower[9].convert("L"), "JPEG")
    files["JPEG of several pictures"] = encoded(flower[9], "MPO", save_all=True, append_images=[flower[8]])
    for factor in (2, 3, 5):  # large enough to be decoded at a half and a quarter
        large = Image.fromarray(PHOTOGRAPHS["temple"]).resize((640 * factor, 427 * factor))
        files[f"JPEG {factor} times as large"] = encoded(large, "JPEG", 6)
    return files | png_kinds(temple, flower)


def png_kinds(temple, flower):
    """Returns PNG files of every colour type and depth."""
    grey, noise = temple[2].convert("L"), np.random.default_rng(1)
    alpha = Image.fromarray(noise.integers(0, 256, temple[2].size[::-1], np.uint8))
    with_alpha, grey_alpha = temple[2].copy(), grey.copy()
    with_alpha.putalpha(alpha)
    grey_alpha.putalpha(alpha)
    deep = np.asarray(temple[3], np.uint16) * 257 - noise.integers(0, 200, (*temple[3].size[::-1], 1), np.uint16)
    few, many = flower[3].quantize(13), flower[4].quantize(200)
    color = tuple(int(value) for value in np.asarray(flower[5])[3, 3])
    return {
        "PNG colour": encoded(temple[2], "PNG"),
        "PNG tall": encoded(temple[2].resize((50, 400)), "PNG"),
        "PNG small": encoded(temple[2].resize((9, 13)), "PNG"),
        "PNG grey": encoded(grey, "PNG"),
        "PNG black and white": encoded(temple[2].convert("1"), "PNG"),
        "PNG alpha": encoded(with_alpha, "PNG"),
        "PNG grey and alpha": encoded(grey_alpha, "PNG"),
        "PNG palette": encoded(many, "PNG"),
        "PNG palette of 4 bits": encoded(few, "PNG", bits=4),
        "PNG palette, one transparent": encoded(many, "PNG", transparency=5),
        "PNG palette, all half transparent": encoded(many, "PNG", transparency=bytes(range(200))),
        "PNG transparent colour": encoded(flower[5], "PNG", transparency=color),
        "PNG transparent grey": encoded(grey, "PNG", transparency=int(np.asarray(grey)[3, 3])),
        "PNG grey of 16 bits": tf.io.encode_png(deep[:, :, :1]).numpy(),
        "PNG colour of 16 bits": tf.io.encode_png(deep).numpy(),
        "PNG gamma": chunk(encoded(temple[2], "PNG"), b"gAMA", struct.pack(">I", 100000)),
    }

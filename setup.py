"""Packaging of epnas_tf; each dependency's reason stands in BUILD_NOTES.md."""

from pathlib import Path

from setuptools import find_packages, setup

DOCS = ["zensical>=0.0.69,<0.0.70", "mkdocstrings>=1.0.8,<2", "mkdocstrings-python>=2.0.11,<3"]

setup(
    name="epnas-tf",
    version="0.2.0",
    description="Efficient progressive neural architecture search in TensorFlow and Keras",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["epnas_tf", "epnas_tf.*"]),
    # Makes an editable install one path. By default it is a hook that comes too late: seen from the clone's parent, the
    # clone's own folder would be imported in place of the package.
    package_dir={"": "."},
    package_data={"epnas_tf.report": ["templates/*"]},
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "keras>=3.15,<3.16",
        "keras-tuner>=1.4.8,<1.5",
        "grpcio>=1.85,<2",
        "tensorflow-datasets>=4.9.10,<4.10",
        "importlib_resources>=6.0,<8",
        "tensorboard>=2.21,<2.22",
        "absl-py>=2.3,<3",
        "numpy>=2.1,<3",
        "scikit-learn>=1.6,<2",
        "scipy>=1.14,<2",
        "pillow>=11,<14",
        "rich>=14,<16",
        "matplotlib>=3.10.8,<3.12",
        "jinja2>=3.1.6,<3.2",
    ],
    extras_require={
        "docs": DOCS,
        "dev": [
            *DOCS,
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<3",
            "pyte>=0.8.2,<0.9",
            "selenium>=4.30,<5",
            "nbclient>=0.11,<0.12",
            "ipykernel>=7.4,<8",
        ],
    },
    entry_points={
        "console_scripts": [
            "epnas-evaluate = epnas_tf.bin.evaluate:run",
            "epnas-export = epnas_tf.bin.export:run",
            "epnas-predict = epnas_tf.bin.predict:run",
            "epnas-search = epnas_tf.bin.search:run",
            "epnas-train = epnas_tf.bin.train:run",
            "epnas-show = epnas_tf.bin.show:run",
            "epnas-report = epnas_tf.bin.report:run",
            "epnas-rank = epnas_tf.bin.rank:run",
        ]
    },
)

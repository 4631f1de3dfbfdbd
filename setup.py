"""Packaging of epnas_tf: what pyproject.toml has no key for."""

from setuptools import setup

# Makes an editable install one path. By default it is a hook that comes too late: seen from the clone's parent, the
# clone's own folder would be imported in place of the package.
setup(package_dir={"": "."})

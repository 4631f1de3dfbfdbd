"""Packaging of epnas_tf: what pyproject.toml has no key for."""

from setuptools import setup

# Makes an editable install one path. By default it is a hook that comes too late: seen from the clone's parent, the
# clone's own folder would be imported in place of the package.
# The licence stands here, since setuptools before 77 and after read it from pyproject.toml in two forms.
setup(package_dir={"": "."}, license="Apache-2.0")

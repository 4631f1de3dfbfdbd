"""Lets the API page show "Example:" in a docstring as code; griffe knows the section as "Examples:" only."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Renames the section in every docstring that is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Is told of each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)

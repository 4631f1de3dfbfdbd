"""Writes the pages of the documents that are made from the code: the flags, from the settings, and the public names.

python tools/doc_pages.py docs/
"""

import ast
import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any

import epnas_tf
from epnas_tf.config import CompareConfig, RankConfig, RunConfig, TrainingConfig
from epnas_tf.options import groups_of

COMMANDS = {
    "epnas-search": RunConfig,
    "epnas-train": TrainingConfig,
    "epnas-compare": CompareConfig,
    "epnas-rank": RankConfig,
}
FLAGS = """# Flags

Every setting of the commands that have many. The page is made from `epnas_tf/config/`. Square brackets say where a
setting comes from. From Python, each group is a dataclass whose fields have the same names.

`epnas-COMMAND --help` also lists the flags that are no settings, such as `--run_dir`.
"""
API = """# API

Every public name of `epnas_tf`. A name is imported when it is first used, so `import epnas_tf` alone does not import
TensorFlow.
"""
ROOMS = {
    "config": "Settings",
    "run": "Search",
    "training": "Final training",
    "evaluation": "Evaluation and prediction",
    "export": "Export",
    "report": "Report",
    "tuner": "KerasTuner",
    "search": "The algorithm alone",
    "space": "Search spaces and architectures",
    "network": "Networks",
    "devices": "The process",
    "metrics": "Metrics",
    "errors": "Errors",
}
"""The rooms that public names come from, in the order of the page, and what they are called there."""


def flags_page() -> str:
    """The page of all settings: a section for each command, a table for each group of settings."""
    parts = [FLAGS]
    for command, config_type in COMMANDS.items():
        parts.append(f"## {command}\n")
        for group, plain in groups_of(config_type):
            parts.append(f"### `{group.__name__}` {{#{command}-{group.__name__}}}\n\n{inspect.getdoc(group)}\n")
            parts.append("| flag | default | |\n| --- | --- | --- |\n" + "\n".join(map(_row, plain)) + "\n")
    return "\n".join(parts)


def _row(field: dataclasses.Field[Any]) -> str:
    default, meta = field.default, field.metadata
    shown = ",".join(default) if isinstance(default, tuple) else str(default)
    shown = shown.lower() if isinstance(default, bool) else shown
    limits = [
        f"one of {', '.join(f'`{choice}`' for choice in meta['choices'])}" if meta["choices"] else "",
        f"at least {meta['minimum']}" if meta["minimum"] is not None else "",
        f"greater than {meta['above']}" if meta["above"] is not None else "",
        f"at most {meta['maximum']}" if meta["maximum"] is not None else "",
    ]
    text = meta["help"].replace("|", "\\|").replace("[", "\\[")
    bounds = "; ".join(filter(None, limits))
    return f"| `--{field.name}` | {f'`{shown}`' if shown else ''} | {text}{f' ({bounds})' if bounds else ''} |"


def homes() -> dict[str, str]:
    """The module of each public name, relative to the package, as the stub says."""
    stub = ast.parse(Path(epnas_tf.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def api_page() -> str:
    """The page of all public names, grouped by the room that they come from."""
    parts = [API]
    for room, title in ROOMS.items():
        parts.append(f"## {title}\n")
        parts += [
            f"::: epnas_tf.{home}.{name}\n" for name, home in sorted(homes().items()) if home.split(".")[0] == room
        ]
    return "\n".join(parts)


def main(folder: Path) -> None:
    """Writes both pages."""
    unknown = {home.split(".")[0] for home in homes().values()} - set(ROOMS)
    if unknown:
        sys.exit(f"Each room of a public name needs a title in ROOMS. Received: {', '.join(sorted(unknown))}.")
    (folder / "flags.md").write_text(flags_page(), encoding="utf-8")
    (folder / "api.md").write_text(api_page(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to write into: python tools/doc_pages.py docs/")
    main(Path(sys.argv[1]))

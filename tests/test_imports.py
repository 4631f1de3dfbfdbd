import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import epnas_tf

PACKAGE = Path(epnas_tf.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOTS = {"errors", "options", "config", "seeds", "metrics", "devices", "memory", "environment"}

# What each part of the package may import of the package itself ("bin" everything).
ALLOWED = {
    "errors": set(),
    "options": {"errors"},
    "config": {"errors", "options"},
    "flags": {"options"},
    "space": {"space"} | ROOTS,
    "nn": {"nn"} | ROOTS,
    "data": {"data"} | ROOTS,
    "network": {"network", "nn", "space"} | ROOTS,
    "environment": {"errors"},
    "runtime": set(),
    "metrics": {"errors"},
    "devices": {"errors"},
    "seeds": set(),
    "memory": set(),
    "storage": {"storage", "space", "data"} | ROOTS,
    "search": {"search", "storage", "network", "space", "data"} | ROOTS,
    "rank": {"rank", "search", "storage", "network", "space", "data"} | ROOTS,
    "training": {"training", "storage", "network", "space", "data"} | ROOTS,
    "evaluation": {"evaluation", "training", "storage", "network", "data"} | ROOTS,
    "export": {"export", "evaluation", "training", "storage", "network", "nn", "data"} | ROOTS,
    "report": {"report", "search", "storage", "network", "space"} | ROOTS,
}
KERAS_TUNER = {
    f"search/{name}.py" for name in ("chief", "hypermodel", "oracle", "project", "restrictions", "surface", "tuner")
}
HEAVY = (
    "tensorflow",
    "keras",
    "keras_tuner",
    "numpy",
    "sklearn",
    "scipy",
    "PIL",
    "tensorflow_datasets",
    "rich",
    "absl",
)


def name_of(module):
    return module.relative_to(PACKAGE).as_posix()


def tree(module):
    return ast.parse(module.read_text(encoding="utf-8"))


def imported(module):
    """Returns the full names of what a module imports, wherever in it; `from a import b` gives a.b."""
    package = ("epnas_tf", *module.relative_to(PACKAGE).parts[:-1])
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = [*package[: len(package) - node.level + 1]] if node.level else []
            start += [node.module] if node.module else []
            names |= {".".join([*start, alias.name]) for alias in node.names}
    return names


def imports_of(module, library):
    return {name for name in imported(module) if name == library or name.startswith(f"{library}.")}


def parts_imported(module):
    """Returns the parts of the package, such as "space", that a module imports."""
    return {name.split(".")[1] for name in imports_of(module, "epnas_tf") if "." in name}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_point_one_way(module):
    part = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part not in ("bin", "__init__"):
        assert parts_imported(module) <= ALLOWED[part]


def test_only_the_keras_tuner_classes_import_keras_tuner():
    assert {name_of(module) for module in MODULES if imports_of(module, "keras_tuner")} <= KERAS_TUNER


def test_only_the_binaries_import_absl():
    users = {name_of(module) for module in MODULES if imports_of(module, "absl")}
    assert "flags.py" in users  # the test sees imports at all
    assert {name for name in users if not name.startswith("bin/")} == {"flags.py"}


@pytest.mark.parametrize("library", ["tensorflow", "keras", "keras_tuner"])
def test_spaces_know_no_network_library(library):
    modules = [module for module in MODULES if name_of(module).startswith("space/")]
    assert len(modules) > 5
    assert not {name_of(module) for module in modules if imports_of(module, library)}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_module_is_short_and_has_no_assert(module):
    assert len(module.read_text(encoding="utf-8").splitlines()) < 450
    asserts = [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.Assert)]
    assert not asserts, "bad input is refused by an exception: `python -O` leaves asserts out"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_except_is_bare_and_nothing_is_pickled(module):
    assert not [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.ExceptHandler) and not node.type]
    assert not imports_of(module, "pickle")


def imported_by(statement):
    """Returns the top-level modules that a statement brings into a fresh interpreter."""
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(result.stdout))


def test_importing_the_package_imports_no_library():
    assert not imported_by("import epnas_tf") & set(HEAVY)


def test_spaces_settings_and_data_checks_import_no_tensorflow():
    names = imported_by("import epnas_tf.space, epnas_tf.config, epnas_tf.data, epnas_tf.storage.run_directory")
    assert "numpy" in names  # the test sees imports at all
    assert not names & {"tensorflow", "keras", "keras_tuner", "sklearn", "tensorflow_datasets", "PIL"}


def test_every_public_name_is_there():
    missing = [name for name in epnas_tf.__all__ if not hasattr(epnas_tf, name)]
    assert not missing
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = epnas_tf.nothing

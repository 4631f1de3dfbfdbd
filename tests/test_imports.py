import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import epnas_tf

PACKAGE = Path(epnas_tf.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# The rooms, from the bottom to the top; each may import those of the tiers below, and of its own tier those named here.
TIERS = (
    {"nn": set()},
    {"space": set()},
    {"network": set(), "data": set()},
    {"cost": set()},
    {"baselines": set(), "children": set(), "surrogate": set(), "storage": set()},
    {"search": set(), "scale": set(), "training": set(), "evaluation": {"training"}},
    {"run": set(), "tuner": set(), "export": set(), "report": set()},
    {"bin": set()},
)
# What a room may not import though it stands below it.
FORBIDDEN = {
    "search": {"children", "network", "nn", "data", "baselines"},
    "baselines": {"network", "data"},
    "surrogate": {"network", "nn", "data", "cost"},
    "storage": {"network", "nn", "cost"},
    "data": {"nn"},
    "report": {"children", "surrogate", "training", "evaluation", "data"},
    "evaluation": {"children", "surrogate", "cost", "nn", "baselines"},
    "scale": {"nn", "baselines", "surrogate", "storage"},
}
ALONE = {
    "errors": set(),
    "options": {"errors"},
    "config": {"config", "errors", "options", "plugins"},
    "plugins": {"errors"},
    "environment": {"errors"},
    "metrics": {"errors"},
    "devices": {"errors"},
    "seeds": set(),
    "memory": set(),
    "lazy": set(),
    "files": set(),
    "arrays": set(),
}


def allowed(part):
    """Returns the parts of the package that a part may import."""
    if part in ALONE:
        return ALONE[part]
    below = set(ALONE)
    for tier in TIERS:
        if part in tier:
            return (below | {part} | tier[part]) - FORBIDDEN.get(part, set())
        below |= set(tier)
    raise AssertionError(f"{part} stands in no tier")


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


def at_import(module):
    """Returns the full names of what a module imports of the package as soon as it is imported itself."""
    body = [node for node in tree(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = set()
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("epnas_tf"):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports_of(module, library):
    return {name for name in imported(module) if name == library or name.startswith(f"{library}.")}


def parts_imported(module):
    """Returns the parts of the package, such as "space", that a module imports."""
    return {name.split(".")[1] for name in imports_of(module, "epnas_tf") if "." in name}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_point_one_way(module):
    part = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part != "__init__":
        assert parts_imported(module) <= allowed(part)


def test_no_modules_import_one_another():
    names = {
        ".".join(("epnas_tf", *m.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): m
        for m in MODULES
    }
    arrows = {}
    for name, module in names.items():
        found = {full if full in names else full.rpartition(".")[0] for full in at_import(module)}
        arrows[name] = (found & set(names)) - {name}
    assert sum(map(len, arrows.values())) > 300  # the test sees imports at all
    while free := [name for name, targets in arrows.items() if not targets & set(arrows)]:
        for name in free:
            del arrows[name]
    assert not arrows, "these modules, or what they import, stand on a circle"


@pytest.mark.parametrize("folder", sorted({module.parent for module in MODULES}), ids=name_of)
def test_folder_says_what_it_offers_and_is_small(folder):
    init = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(init)
    assert len(list(folder.glob("[!_]*.py"))) <= 12


def test_ray_is_imported_in_its_room_alone():
    assert {name_of(module) for module in MODULES if imports_of(module, "ray")} == {
        f"scale/{name}.py" for name in ("cluster", "pool", "ray_place")
    }


def test_keras_tuner_is_imported_in_its_room_alone():
    users = {name_of(module).split("/")[0] for module in MODULES if imports_of(module, "keras_tuner")}
    assert users == {"tuner"}


@pytest.mark.parametrize(("room", "fewest"), [("search", 6), ("baselines", 4)])
def test_search_and_baselines_import_no_tensorflow(room, fewest):
    modules = [module for module in MODULES if name_of(module).startswith(f"{room}/")]
    assert len(modules) >= fewest
    assert not {name_of(module) for module in modules if imports_of(module, "tensorflow") | imports_of(module, "keras")}


def test_only_the_binaries_import_absl():
    users = {name_of(module) for module in MODULES if imports_of(module, "absl")}
    assert "bin/flags.py" in users  # the test sees imports at all
    assert {name for name in users if not name.startswith("bin/")} == set()


@pytest.mark.parametrize("library", ["tensorflow", "keras", "keras_tuner"])
def test_spaces_know_no_network_library(library):
    modules = [module for module in MODULES if name_of(module).startswith("space/")]
    assert len(modules) > 5
    assert not {name_of(module) for module in modules if imports_of(module, library)}


# Where the spaces may be named: in their own modules, and where people find them.
OF_A_SPACE = {
    "space/architecture.py",
    "space/macro.py",
    "space/micro.py",
    "space/micro_network.py",
    "space/staged.py",
    "tuner/hypermodel.py",
}
SPACES_DEFAULT = "config/shared.py"


def spaces_named(module):
    """The names in a module that belong to one space alone."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Constant) and node.value in ("macro", "micro", "staged"):
            found.add(node.value)
        names = [getattr(node, field, None) for field in ("id", "attr", "name")]
        found |= {
            name
            for name in names
            if isinstance(name, str) and re.match("_?(Macro|Micro|Staged|macro_|micro_|staged_)", name)
        }
    return found


def test_no_module_asks_which_space_it_is():
    elsewhere = {
        name_of(m): spaces_named(m) for m in MODULES if name_of(m) not in OF_A_SPACE and m.name != "__init__.py"
    }
    assert all(spaces_named(PACKAGE / name) for name in OF_A_SPACE)  # the test sees names at all
    assert elsewhere.pop(SPACES_DEFAULT) == {"macro"}
    assert not {name: found for name, found in elsewhere.items() if found}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_module_is_short_and_has_no_assert(module):
    lines = module.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if not re.match(r" +(>>>|\.\.\.) ", line)]) < 450  # examples do not count
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
    rooms = ("space", "config", "data", "storage.run_directory", "baselines.matching", "baselines.from_space")
    names = imported_by("import " + ", ".join(f"epnas_tf.{room}" for room in rooms))
    assert "numpy" in names  # the test sees imports at all
    assert not names & {"tensorflow", "keras", "keras_tuner", "sklearn", "tensorflow_datasets", "PIL"}


def test_every_public_name_is_there():
    missing = [name for name in epnas_tf.__all__ if not hasattr(epnas_tf, name)]
    assert not missing
    with pytest.raises(AttributeError, match="No epnas_tf attribute nothing"):
        _ = epnas_tf.nothing

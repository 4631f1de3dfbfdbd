"""The networks of four fixed architectures as JSON that a person can read, one line a layer.

A change of these files changes what a search trains and makes saved states unreadable, so look at the difference. To
write them anew: `python -m tests.network.golden_files`.
"""

import json
from pathlib import Path

from epnas_tf.network import Network, VariableStore
from epnas_tf.space import NetworkShape
from tests.network.architectures import macro, micro

FOLDER = Path(__file__).parent / "goldens"
UPDATE = "python -m tests.network.golden_files"

GOLDENS = {
    # All skips over both halvings, and every operation of the macro space.
    "macro_six_layers": (
        macro(
            "conv_3x3",
            ("conv_5x5", 0),
            ("sep_conv_3x3", 0, 1),
            ("sep_conv_5x5", 2),
            ("max_pool_3x3", 0, 1, 2, 3),
            "average_pool_3x3",
        ),
        NetworkShape((16, 16, 3), num_classes=10, channels=8, num_levels=6),
    ),
    # Shallower than the space: only the first halving is reached.
    "macro_three_of_six_layers": (
        macro("sep_conv_5x5", "max_pool_3x3", ("conv_3x3", 0)),
        NetworkShape((16, 16, 1), num_classes=2, channels=8, num_levels=6),
    ),
    # One block: every cell hands on one part.
    "micro_one_block": (
        micro(("conv_3x3", -2, "identity", -1)),
        NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1, normal_cells=1),
    ),
    # Block 1 is used inside the cell, the blocks 2 and 3 are its output.
    "micro_three_blocks": (
        micro(
            ("max_pool_3x3", -2, "sep_conv_3x3", -1), ("identity", -2, "identity", 1), ("conv_5x5", 1, "identity", -1)
        ),
        NetworkShape((16, 16, 3), num_classes=10, channels=4, num_levels=3, normal_cells=2),
    ),
}


def golden_text(name):
    """The expected content of a golden's file."""
    architecture, shape = GOLDENS[name]
    network = Network(architecture, shape, VariableStore())
    header = {
        "architecture": str(architecture),
        "image_shape": shape.image_shape,
        "num_classes": shape.num_classes,
        "channels": shape.channels,
        "num_levels": shape.num_levels,
        "normal_cells": shape.normal_cells,
        "parameters": network.num_parameters,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    nodes = ",\n".join(f"    {json.dumps(_line(node, network))}" for node in network.graph)
    return "\n".join(["{", *lines, '  "nodes": [', nodes, "  ]", "}"]) + "\n"


def _line(node, network):
    return {
        "key": _name(node.key),
        "kind": node.kind,
        "sources": [_name(source) for source in node.sources],
        "channels": node.channels,
        "stride": node.stride,
        "parameters": network.layers[node.key].count_params() - _not_trained(network.layers[node.key]),
    }


def _name(key):
    return "/".join(map(str, key))


def _not_trained(layer):
    return sum(variable.value.shape.num_elements() for variable in layer.non_trainable_variables)


def main():
    FOLDER.mkdir(exist_ok=True)
    for name in GOLDENS:
        (FOLDER / f"{name}.json").write_text(golden_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()

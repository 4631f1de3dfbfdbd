"""Spaces of a test's own, of which only the networks count."""

from epnas_tf.space import SpaceDefinition, register_space


def register_builder(architecture_type, build_graph):
    """Registers what builds the networks of a type of architectures."""
    register_space(
        SpaceDefinition(
            name=architecture_type.__name__,
            architecture=architecture_type,
            make_space=lambda config: None,
            build_graph=build_graph,
            to_json=lambda architecture: [],
            from_json=lambda items: None,
            default_operations=(),
        )
    )

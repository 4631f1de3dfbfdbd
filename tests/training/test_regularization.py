import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.nn import PooledDense
from epnas_tf.space import NetworkShape, Node, build_graph
from epnas_tf.training.regularization import DropoutAndDropPath
from tests.network.architectures import macro, micro

# Statistical tests: the chance that a right program fails one is below 1e-6 (Hoeffding), and the seeds are fixed.
FALSE_ALARM = 1e-6
IMAGES = 20_000
HEAD = Node(("head", "layer"), "pooled_dense", (("layer", 1, "conv_3x3"),), channels=3)

MACRO = macro("conv_3x3", ("conv_3x3", 0), ("max_pool_3x3", 0), ("sep_conv_3x3", 1, 2))
MICRO = micro(("conv_3x3", -2, "identity", -1), ("max_pool_3x3", -1, "identity", 1), ("identity", -2, "conv_5x5", -1))


def regularizer(progress=1.0, seed=(5, 0), **recipe):
    recipe = RecipeConfig(**{"dropout_keep": 1.0, "drop_path_keep": 1.0, **recipe})
    return DropoutAndDropPath(recipe, tf.constant(seed, tf.int64), tf.constant(progress, tf.float32))


def path(depth):
    return Node(("layer", 3, "source", 1), "source_projection", (("stem",),), channels=2, path_depth=depth)


def ones(images=IMAGES, side=2, channels=2):
    return tf.ones([images, side, side, channels])


def tolerance(number):
    """How far the mean of independent values in [0, 1] is from its expectation, but for the chance of a false alarm."""
    return np.sqrt(np.log(2 / FALSE_ALARM) / (2 * number))


def nodes(architecture, levels, normal_cells=1):
    return list(build_graph(architecture, NetworkShape((8, 8, 1), 10, 4, levels, normal_cells)))


def changed(node, dropping):
    """Whether drop-path touches what a node gives."""
    given = ones(images=4, channels=node.channels)
    return dropping.output(node, given) is not given


def test_macro_drops_skip_connections_and_never_the_chain():
    touched = {node.key for node in nodes(MACRO, 4) if changed(node, regularizer(drop_path_keep=0.5))}
    assert touched == {
        ("layer", 2, "source", 0),
        ("layer", 3, "source", 0),
        ("layer", 4, "source", 1),
        ("layer", 4, "source", 2),
    }


def test_micro_drops_the_sides_of_blocks_and_never_the_identity():
    graph = nodes(MICRO, 3)
    touched = {node.key for node in graph if changed(node, regularizer(drop_path_keep=0.5))}
    sides = {node.key for node in graph if node.key[0] == "cell" and node.key[2] == "block" and node.key[4] != "sum"}
    identities = {key for key in sides if key[5] == "identity"}
    assert {len(key) for key in identities} == {6, 7}  # also those that halve
    assert touched == sides - identities
    assert {key[1] for key in touched} == {1, 2, 3, 4, 5}


def test_deeper_paths_are_dropped_more_often():
    depths = {node.key[1]: node.path_depth for node in nodes(MACRO, 4) if node.path_depth}
    assert depths == {2: 2 / 4, 3: 3 / 4, 4: 1.0}
    depths = {node.key[1]: node.path_depth for node in nodes(MICRO, 3, normal_cells=2) if node.path_depth}
    assert depths == {cell: cell / 8 for cell in range(1, 9)}


@pytest.mark.parametrize("setting", ["dropout_keep", "drop_path_keep"])
def test_nothing_is_added_where_all_is_kept(setting):
    other = {"dropout_keep": "drop_path_keep", "drop_path_keep": "dropout_keep"}[setting]
    keeping = regularizer(**{other: 0.5})  # each leaves what is the other's alone
    for node in [*nodes(MACRO, 4), *nodes(MICRO, 3), HEAD, path(1.0)]:
        given = [ones(images=4, channels=4)]
        if setting == "dropout_keep":
            assert keeping.inputs(node, given) is given
        else:
            assert keeping.output(node, given[0]) is given[0]


def test_only_the_classifier_reads_dropped_features():
    dropping = regularizer(dropout_keep=0.5)
    for graph in (nodes(MACRO, 4), nodes(MICRO, 3)):
        given = [ones(images=4, channels=4)]
        touched = {node.key for node in graph if dropping.inputs(node, given) is not given}
        assert touched == {node.key for node in graph if node.kind == "pooled_dense"}
    auxiliary = Node(("auxiliary", "dense"), "pooled_dense", (("auxiliary", "convolution"),), channels=10)
    assert dropping.inputs(auxiliary, given) is given


@pytest.mark.parametrize(
    ("depth", "progress", "keep"), [(1.0, 1.0, 0.6), (0.5, 1.0, 0.6), (1.0, 0.25, 0.6), (0.4, 0.5, 0.3)]
)
def test_paths_are_kept_as_often_as_depth_and_step_say(depth, progress, keep):
    """ENAS keeps with 1 - depth * progress * (1 - keep); here by the fraction of 20,000 images, each all or nothing."""
    expected = 1 - depth * progress * (1 - keep)
    found = regularizer(progress, drop_path_keep=keep).output(path(depth), ones()).numpy()
    assert (found == found[:, :1, :1, :1]).all()  # an image is kept or dropped as a whole
    kept = found[:, 0, 0, 0] > 0
    np.testing.assert_allclose(found[kept, 0, 0, 0], 1 / expected, rtol=1e-6)
    assert abs(kept.mean() - expected) < tolerance(IMAGES)  # 1.9 %; the four cases lie further apart
    assert abs(found.mean() - 1) < tolerance(IMAGES) / expected  # the mean stays


def test_features_are_kept_as_often_as_said_each_on_its_own():
    keep, images, channels = 0.8, 2000, 10
    (found,) = regularizer(dropout_keep=keep).inputs(HEAD, [ones(images, channels=channels)])
    found = found.numpy()
    assert (found == found[:, :1, :1, :]).all()  # at all pixels alike
    kept = found[:, 0, 0, :] > 0
    np.testing.assert_allclose(found[:, 0, 0, :][kept], 1 / keep, rtol=1e-6)
    assert abs(kept.mean() - keep) < tolerance(images * channels)
    # Channels are independent: two of them are kept together in keep² of the images.
    assert abs((kept[:, 0] & kept[:, 1]).mean() - keep**2) < tolerance(images)
    assert abs(found.mean() - 1) < tolerance(images * channels) / keep


def test_at_the_first_step_of_a_long_training_nothing_is_dropped():
    given = tf.random.stateless_normal([IMAGES, 2, 2, 2], [1, 2])
    found = regularizer(progress=0.0, drop_path_keep=0.1).output(path(1.0), given)
    np.testing.assert_array_equal(found, given)
    nearly = regularizer(progress=1e-5, drop_path_keep=0.1).output(path(1.0), given).numpy()
    # 1e-5 * 0.9 of 20,000 images are 0.18; ten or more of them are dropped with a chance below 1e-13 (Poisson).
    assert (nearly[:, 0, 0, 0] == 0).sum() < 10


def test_dropping_channels_before_the_average_is_dropout_of_the_average():
    layer = PooledDense(3, seed=1)
    layer.build((None, 4, 4, 6))
    given = tf.random.stateless_normal([50, 4, 4, 6], [3, 4])
    (dropped,) = regularizer(dropout_keep=0.5).inputs(HEAD, [given])
    kept = (dropped.numpy() != 0).any(axis=(1, 2))
    assert 0 < kept.mean() < 1
    averages = np.maximum(given.numpy(), 0).mean(axis=(1, 2)) * kept / 0.5
    np.testing.assert_allclose(layer(dropped), averages @ layer.kernel.numpy(), rtol=1e-5, atol=1e-6)


def test_every_node_and_step_draws_anew_and_the_same_seed_the_same():
    def masks(seed):
        dropping = regularizer(seed=seed, drop_path_keep=0.5, dropout_keep=0.5)
        paths = [dropping.output(path(1.0), ones(64))[:, 0, 0, 0].numpy() > 0 for _ in range(3)]
        return [*paths, dropping.inputs(HEAD, [ones(64)])[0][:, 0, 0, 0].numpy() > 0]

    first, again, other = masks((5, 0)), masks((5, 0)), masks((6, 0))
    np.testing.assert_array_equal(first, again)
    drawn = {mask.tobytes() for mask in [*first, *other]}
    assert len(drawn) == len(first) + len(other)  # two of 2^64 masks are equal with a chance below 1e-17


def test_compute_dtype_is_kept():
    dropping = regularizer(drop_path_keep=0.5, dropout_keep=0.5)
    given = tf.cast(ones(64), tf.bfloat16)
    assert dropping.output(path(1.0), given).dtype == tf.bfloat16
    assert dropping.inputs(HEAD, [given])[0].dtype == tf.bfloat16

"""Makes small run directories with what a search and a final training write, by the classes that write it."""

import json

import numpy as np

from epnas_tf.config import (
    DataConfig,
    FinalNetworkConfig,
    NetworkConfig,
    RecipeConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    TrainingConfig,
)
from epnas_tf.cost.network_cost import cost
from epnas_tf.metrics import measure
from epnas_tf.space import BlockSide, MicroArchitecture, MicroBlock, NetworkShape, build_graph, make_space
from epnas_tf.space.serialization import architecture_from_dict, architecture_to_dict
from epnas_tf.storage.data_file import DataDescription, save_description
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import RunDirectory, read_config
from epnas_tf.storage.state_files import write_whole
from epnas_tf.storage.training_directory import METRICS, PREDICTIONS, TrainingDirectory

DIGITS = tuple("0123456789")
HOSTILE = ("<script>alert(1)</script>", "a & b \"c\" 'd'", "$x^2$ \\alpha", "猫 \x00\x1b[31m\u202e\udcff")
CELL = MicroArchitecture(
    (
        MicroBlock(BlockSide("conv_3x3", -2), BlockSide("identity", -1)),
        MicroBlock(BlockSide("sep_conv_5x5", -1), BlockSide("max_pool_3x3", 1)),
        MicroBlock(BlockSide("average_pool_3x3", -1), BlockSide("conv_5x5", -1)),
    )
)
STEPS = 12
"""Training steps of a child."""


def description(name="digits", class_names=DIGITS, image_shape=(8, 8, 1), num_test=180):
    channels = image_shape[2]
    return DataDescription(name, image_shape, class_names, (100.0,) * channels, (50.0,) * channels, 1455, 162, num_test)


DESCRIPTION = description()


def run_config(space="macro", levels=3, k=2, iterations=2, dataset="digits"):
    return RunConfig(
        space=SpaceConfig(space=space, layers=levels, blocks=levels, operations=("conv_3x3", "max_pool_3x3")),
        network=NetworkConfig(channels=4),
        search=SearchConfig(k=k, iterations=iterations, sampling="probability"),
        data=DataConfig(dataset=dataset),
    )


def trial_record(child, iteration, level, temperature, predicted, score, architecture):
    """Returns a line of trials.jsonl; a test compares its keys with those of the search's own."""
    record = {
        "child": child,
        "iteration": iteration,
        "level": level,
        "temperature": temperature,
        "predicted": predicted,
        "status": "failed" if score is None else "completed",
    }
    if score is not None:
        record |= {"score": score, "validation_loss": 1 - score, "training_loss": 1.2 - score, "steps": STEPS}
        record |= {"parameters": 100 * level + child, "build_seconds": 1.0, "train_seconds": 2.0}
        record |= {"evaluate_seconds": 0.5}
    return record | {"text": str(architecture), "architecture": architecture_to_dict(architecture)}


def children(config, seed=0):
    """Yields the records of a whole search: random architectures, scores that rise with the level."""
    space, rng = make_space(config.space), np.random.default_rng(seed)
    child = 0
    for iteration in range(1, config.search.iterations + 1):
        temperature = 4.0 if iteration < config.search.iterations else 1.0
        for level in range(1, space.num_levels + 1):
            for index in range(space.num_extensions(1) if level == 1 else config.search.k):
                child += 1
                architecture = space.architecture([index]) if level == 1 else space.sample(rng, level)
                score = float(np.clip(0.5 + 0.1 * level + 0.05 * iteration + rng.normal(0, 0.03), 0, 1))
                first = iteration == 1 and level == 1
                predicted = None if first else float(np.clip(score + rng.normal(0, 0.03), 0, 1))
                yield trial_record(child, iteration, level, temperature, predicted, score, architecture)


def store_layers(records, config):
    """Returns the store's counts after some children."""
    updates = {}
    for record in records:
        architecture = architecture_from_dict(record["architecture"])
        shape = NetworkShape((8, 8, 1), 10, config.network.channels, make_space(config.space).num_levels)
        for node in build_graph(architecture, shape):
            updates[node.key] = updates.get(node.key, 0) + STEPS
    return [{"key": list(key), "updates": n, "weights": []} for key, n in updates.items()]


def make_search(path, config=None, num_children=None, data=DESCRIPTION, fail=()):
    """Makes a search's directory, of its first `num_children` children if it is still running.

    Args:
        path: the directory.
        config: the settings.
        num_children: how many are trained so far; None for all.
        data: what data.json says; None for a run without.
        fail: numbers of children that diverged.
    """
    config = config or run_config()
    records = list(children(config))[:num_children]
    failed = ("status", "child", "iteration", "level", "temperature", "predicted", "text", "architecture")
    records = [{**{key: r[key] for key in failed}, "status": "failed"} if r["child"] in fail else r for r in records]
    with RunDirectory(path, config) as directory:
        if data is not None:
            save_description(directory.path, data)
        for record in records:
            directory.append_record(record)
        if records:
            completed = [r for r in records if r["status"] == "completed"]
            store = {"seed": 0, "layers": store_layers(completed, config)}
            values = {"search": {}, "store": store, "seconds": 100.0 * len(records), "num_failed": len(fail)}
            values["num_children"] = len(list(children(config)))
            directory.save_state(values, {"store.weights": np.zeros(3, np.float32)})
        depth = make_space(config.space).num_levels
        whole = [r for r in records if r["level"] == depth and r["status"] == "completed"]
        if whole:
            best = max(whole, key=lambda r: r["score"])
            directory.save_best(architecture_from_dict(best["architecture"]))
    return path


def best_architectures(path):
    """Returns the whole architectures of a search, the best first."""
    depth = make_space(read_config(path).space).num_levels
    return [architecture_from_dict(r["architecture"]) for r in best_trials(path, depth)]


def make_training(
    path, architecture, epochs=12, done=None, held_out=True, candidates=(), data=DESCRIPTION, seed=0, mistakes=0.1
):
    """Makes a final training's directory.

    Args:
        path: the directory, RUN_DIR/final.
        architecture: what is trained; None as long as candidates are compared.
        epochs: of the whole training.
        done: epochs that have ended; None for a training that has ended.
        held_out: whether there are validation images.
        candidates: (architecture, accuracy) of each candidate.
        data: what data.json says.
        seed: decides the figures.
        mistakes: the part of the test images that is classified wrong.
    """
    rng = np.random.default_rng(seed)
    recipe = RecipeConfig(epochs=epochs, held_out=held_out, candidates=max(len(candidates), 1))
    config = TrainingConfig(network=FinalNetworkConfig(channels=8), recipe=recipe)
    with TrainingDirectory(path, config, (str(architecture),)) as directory:
        if candidates:
            directory.save_candidates([candidate_record(i, *c) for i, c in enumerate(candidates, 1)])
        if architecture is None:
            return path
        save_description(path, data)
        directory.save_best(architecture)
        for epoch in range(1, (epochs if done is None else done) + 1):
            directory.append_record(epoch_record(epoch, epochs, held_out, rng))
            directory.save_state({"store": {"seed": 0, "layers": []}, "seconds": 3.0 * epoch}, {})
        if done is None:
            _finish(path, config, architecture, data, rng, mistakes)
    return path


def candidate_record(number, architecture, accuracy):
    return {
        "candidate": number,
        "text": str(architecture),
        "architecture": architecture_to_dict(architecture),
        "accuracy": accuracy,
        "shared_score": 0.8 - 0.01 * number,
        "parameters": 1000 * number,
        "multiply_adds": 100_000 * number,
        "epochs": 5,
        "seconds": 60.0,
    }


def epoch_record(epoch, epochs, held_out, rng):
    part = epoch / epochs
    restarts = (2 * part) % 1
    noise = float(rng.normal(0, 0.01))
    return {
        "epoch": epoch,
        "learning_rate": 0.001 + 0.0245 * (1 + float(np.cos(np.pi * restarts))),
        "training_loss": 0.2 + 2 * float(np.exp(-4 * part)) + noise,
        "training_accuracy": 0.95 - 0.7 * float(np.exp(-4 * part)) + noise,
        "validation_loss": 0.25 + 2 * float(np.exp(-4.5 * part)) - noise if held_out else None,
        "validation_accuracy": 0.94 - 0.7 * float(np.exp(-4.5 * part)) - noise if held_out else None,
        "seconds": 3.0,
    }


def _finish(path, config, architecture, data, rng, mistakes):
    labels, probabilities, images = answers(data, rng, mistakes)
    right = probabilities.argmax(axis=1) == labels
    arrays = {"labels": labels, "probabilities": probabilities}
    for name, chosen in (("right", right), ("wrong", ~right)):
        indices = np.flatnonzero(chosen)[:24]
        arrays |= {f"{name}_indices": indices, f"{name}_images": images[indices]}
    with open(path / PREDICTIONS, "wb") as file:
        np.savez_compressed(file, **arrays)
    shape = NetworkShape(
        data.image_shape, max(data.num_classes, 2), config.network.channels, architecture.num_levels, normal_cells=1
    )
    network_cost = cost(build_graph(architecture, shape), data.image_shape)
    document = {
        "split": "test",
        **measure(labels, probabilities, data.class_names).to_dict(),
        "parameters": network_cost.parameters,
        "multiply_adds": network_cost.multiply_adds,
        "epochs": config.recipe.epochs,
        "seconds": 3.0 * config.recipe.epochs,
    }
    write_whole(path / METRICS, json.dumps(document).encode())


def answers(data, rng, mistakes):
    """Returns labels, probabilities and images: each class a pattern of its own, neighbours easily confused."""
    labels = rng.integers(data.num_classes, size=data.num_test).astype(np.int32)
    wrong = rng.random(len(labels)) < mistakes
    predicted = np.where(wrong, (labels + rng.choice([1, 1, 2], len(labels))) % data.num_classes, labels)
    logits = rng.normal(0, 1, (len(labels), data.num_classes))
    logits[np.arange(len(labels)), predicted] += 6
    probabilities = np.exp(logits)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    patterns = rng.integers(0, 256, (data.num_classes, *data.image_shape))
    images = np.clip(patterns[labels] + rng.normal(0, 20, (len(labels), *data.image_shape)), 0, 255)
    return labels, probabilities, images.astype(np.uint8)

"""What the paper's two searches need at least on some GPUs: arithmetic over their networks, nothing is run.

python -m benchmarks.roofline

Children are drawn uniformly at the levels that a search's children have. For each of them, a training step takes at
least the longest of

- computing: 2 · multiply-adds · 3 · batch / (peak · `OF_PEAK`); the backward pass counts twice the forward pass;
- moving: bytes / (bandwidth · `OF_BANDWIDTH`), see `moved_values`;
- launching: nodes · `KERNELS_A_NODE` · `LAUNCH_SECONDS`, in which a GPU computes and moves what was launched before.

This is a lower bound, not a forecast. Left out are the validation (5,000 images forward only, some 1 % of a child), the
input pipeline, the scoring of candidates, cuDNN's search for algorithms, and that a node's kernels each read and write
memory, which would make `moving` up to three times as long.
"""

import dataclasses
import statistics
from collections.abc import Mapping

from benchmarks import command
from benchmarks.counting import TRAINING_IMAGES, num_children, spread_children, steps_of_child
from benchmarks.networks import Case
from benchmarks.turns import show_table
from epnas_tf.cost.network_cost import Size, cost, node_sizes
from epnas_tf.space import Graph, build_graph

DRAWN = 200
"""Children that are drawn to take means over."""

K, EPOCHS, ITERATIONS = 25, 3, (3, 5)
"""The paper's, section 5."""

PASSES = 3
"""A training step in forward passes: the gradients by inputs and by kernels each cost what the forward pass does."""

OF_PEAK = 0.3
"""Share of the peak that convolutions reach. A guess, and a kind one: 24 channels fill no matrix unit."""

OF_BANDWIDTH = 0.7
"""Share of the bandwidth that kernels reach which only read and write; a usual figure of such kernels."""

KERNELS_A_NODE = 16
"""Kernels and copies a node and step: 15 to 17 on an H200 (`benchmarks.kernels`), the optimiser included."""

LAUNCH_SECONDS = 5e-6
"""Host time to start a kernel: CUDA's own launch takes 2 to 4 µs, TensorFlow's executor adds to it."""

VALUE_BYTES: Mapping[str, int] = {"float32": 4, "TF32": 4, "bfloat16": 2}


@dataclasses.dataclass(frozen=True)
class Gpu:
    """A GPU as its data sheet has it.

    Attributes:
        name: its name.
        bandwidth: bytes a second of its memory.
        peaks: operations a second in each format, without sparsity; a multiply-add is two.
    """

    name: str
    bandwidth: float
    peaks: Mapping[str, float]


GPUS = (
    # NVIDIA's data sheets. TF32 is what TensorFlow takes for float32 convolutions by itself on these two.
    Gpu("A100 40GB", 1.555e12, {"float32": 19.5e12, "TF32": 156e12, "bfloat16": 312e12}),
    # The sheet's TF32 and bfloat16 figures count sparsity, so they are halved: 989 → 495, 1,979 → 989.
    Gpu("H100 SXM", 3.35e12, {"float32": 67e12, "TF32": 495e12, "bfloat16": 989e12}),
    Gpu("RTX 4090", 1.008e12, {"float32": 82.6e12, "bfloat16": 165e12}),
)


@dataclasses.dataclass(frozen=True)
class PaperSearch:
    """One of the paper's searches.

    Attributes:
        case: its networks.
        batch_size: images of a step, as in its file in flags/.
        trace_seconds: what a child takes on the host beside its steps.
        gpu_days: the paper's own time (Table 1); it names neither the GPU nor the iterations, "three to five".
    """

    case: Case
    batch_size: int
    trace_seconds: float
    gpu_days: float

    def children(self, iterations: int) -> int:
        """Returns how many children it trains."""
        return num_children(self.case.make_space(), K, iterations)

    @property
    def steps(self) -> int:
        """Training steps of a child."""
        return steps_of_child(TRAINING_IMAGES, self.batch_size, EPOCHS)


# `trace_seconds` are of whole networks with 2 CPU cores, tracing and the first step's extra; "beside" in
# `benchmarks.scaling` is the same and more (saving), of children of all levels.
SEARCHES = (
    PaperSearch(Case("macro", 12, 24), 128, trace_seconds=1.1, gpu_days=1.2),
    PaperSearch(Case("micro", 5, 24), 160, trace_seconds=2.6, gpu_days=1.8),
)


@dataclasses.dataclass(frozen=True)
class Work:
    """What a training step of one network is made of.

    Attributes:
        nodes: layers of the network.
        operations: multiplications and additions.
        values: values read and written in memory.
    """

    nodes: int
    operations: float
    values: float

    def limits(self, gpu: Gpu, number_format: str) -> dict[str, float]:
        """Returns the seconds that a step takes at least, by what limits it."""
        return {
            "computing": self.operations / (gpu.peaks[number_format] * OF_PEAK),
            "moving": self.values * VALUE_BYTES[number_format] / (gpu.bandwidth * OF_BANDWIDTH),
            "launching": self.nodes * KERNELS_A_NODE * LAUNCH_SECONDS,
        }


def moved_values(graph: Graph, image_shape: Size) -> int:
    """Returns how many values a training step reads and writes for one image, at least.

    A node whose sources have i values and whose output has o reads i and writes o forward; backward it reads the
    gradient of its output (o) and its sources again (i), and writes the gradient of its sources (i): 3 i + 2 o, as if
    each node were one kernel each way. Weights and what the optimiser moves are left out: they are below 1 % here.
    """
    sizes = node_sizes(graph, image_shape)
    values = {key: height * width * channels for key, (height, width, channels) in sizes.items()}
    return sum(3 * sum(values[source] for source in node.sources) + 2 * values[node.key] for node in graph)


def step_work(graph: Graph, image_shape: Size, batch_size: int) -> Work:
    """Returns what a training step of a network is made of."""
    operations = 2 * PASSES * batch_size * cost(graph, image_shape).multiply_adds
    return Work(len(graph), operations, batch_size * moved_values(graph, image_shape))


def drawn_work(search: PaperSearch) -> list[Work]:
    """Returns the work of a step of drawn children."""
    case = search.case
    graphs = [build_graph(child, case.shape) for child in spread_children(case, K, DRAWN)]
    return [step_work(graph, case.image_shape, search.batch_size) for graph in graphs]


def show_work(works: Mapping[PaperSearch, list[Work]]) -> None:
    """Prints what the searches are made of."""
    rows = []
    for search, steps in works.items():
        nodes, operations, values = (
            statistics.mean(getattr(work, field) for work in steps) for field in ("nodes", "operations", "values")
        )
        for iterations in ITERATIONS:
            total_steps = search.children(iterations) * search.steps
            rows.append(
                [
                    f"{search.case.space}, {iterations} iterations",
                    f"{search.children(iterations):,}",
                    f"{total_steps:,}",
                    f"{operations / (2 * PASSES * search.batch_size) / 1e6:.1f} million",
                    f"{total_steps * operations / 2:.2g}",
                    f"{nodes:.0f}",
                    f"{nodes * KERNELS_A_NODE:,.0f}",
                    f"{values * VALUE_BYTES['float32'] / 1e9:.2f} GB",
                    f"{operations / (values * VALUE_BYTES['float32']):.1f}",
                ]
            )
    columns = [
        "",
        "children",
        "steps",
        "multiply-adds",
        "in all",
        "nodes",
        "kernels a step",
        "moved a step",
        "FLOP/byte",
    ]
    note = "multiply-adds: of an image forward, and of the whole search; means over drawn children; bytes of float32"
    show_table("the paper's searches", columns, rows, note)


def bounds_row(search: PaperSearch, steps: list[Work], gpu: Gpu, number_format: str) -> list[str]:
    """Returns what a search takes at least on a GPU."""
    limits = [work.limits(gpu, number_format) for work in steps]
    means = {name: statistics.mean(limit[name] for limit in limits) for name in limits[0]}
    step = statistics.mean(max(limit.values()) for limit in limits)
    child = search.steps * step + search.trace_seconds
    return [
        f"{search.case.space}, {gpu.name}, {number_format}",
        *(f"{1000 * seconds:.2f} ms" for seconds in means.values()),
        max(means, key=lambda name: means[name]),
        f"{child:.1f} s",
        f"{search.trace_seconds / child:.0%}",
        *(f"{search.children(iterations) * child / 3600:.1f}" for iterations in ITERATIONS),
        f"{24 * search.gpu_days:.0f}",
    ]


def show_bounds(works: Mapping[PaperSearch, list[Work]]) -> None:
    """Prints what the searches take at least on each GPU."""
    rows = [
        bounds_row(search, steps, gpu, number_format)
        for search, steps in works.items()
        for gpu in GPUS
        for number_format in gpu.peaks
    ]
    hours = [f"hours, {iterations} iterations" for iterations in ITERATIONS]
    columns = ["", "computing", "moving", "launching", "longest", "a child", "host's part", *hours, "the paper's hours"]
    note = (
        f"a lower bound: {OF_PEAK:.0%} of peak, {OF_BANDWIDTH:.0%} of bandwidth, {KERNELS_A_NODE} kernels a node of "
        f"{1e6 * LAUNCH_SECONDS:.0f} µs; the host's part is building and tracing"
    )
    show_table("a training step and a search, at least", columns, rows, note)


def main() -> None:
    works = {search: drawn_work(search) for search in SEARCHES}
    show_work(works)
    show_bounds(works)


if __name__ == "__main__":
    command.run(main)

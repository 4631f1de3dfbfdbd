"""What a GPU does in a child's training step: how many kernels, how long it is busy, and which take longest.

python -m benchmarks.kernels --space=macro
python -m benchmarks.kernels --space=micro --batch_size=160

The steps are taken twice: timed, and under TensorFlow's profiler, which makes them longer but not the kernels. Where
the GPU is busy for a small part of a step, it waits for the processor that starts its kernels.
"""

import collections
import statistics

from absl import flags
from rich.progress import track

from benchmarks import command
from benchmarks.networks import define_step_flags
from benchmarks.turns import show_table
from benchmarks.worker import Worker
from epnas_tf.errors import ConfigError

_STEPS = define_step_flags(architectures=3, steps=40, turns=3)
_LONGEST = flags.DEFINE_integer("longest", 8, "kernels to name", lower_bound=0)


def main() -> None:
    timed = _STEPS()
    rows, longest = [], collections.Counter[str]()
    with Worker("benchmarks.sides.kernels:GpuSteps", timed.case, timed.batch_size, timed.steps) as worker:
        gpu = worker.call("gpu")
        if not gpu:
            raise ConfigError("This needs a GPU. Received: a computer on which TensorFlow finds none.")
        for architecture in track(timed.sampled(), "networks", transient=True):
            worker.call("prepare", architecture)
            step = statistics.median(worker.call("train") for _ in range(timed.turns))
            work = worker.call("gpu_work")
            if not work.kernels:
                raise ConfigError("TensorFlow's profiler must see the GPU's kernels, with CUPTI. Received: none.")
            longest.update(work.longest)
            times = [f"{1000 * seconds:.2f} ms" for seconds in (step, work.busy)]
            rows.append([f"{work.kernels:.0f}", f"{work.copies:.0f}", *times, f"{work.busy / step:.0%}"])
    title = f"training steps of {timed}, on {gpu}"
    columns = ["kernels", "copies", "a step", "of it busy", "part"]
    show_table(title, columns, rows, f"medians of {timed.turns} turns of {timed.steps} steps; a row is a network")
    parts = [[name[:90], f"{s / len(rows) * 1000:.3f} ms"] for name, s in longest.most_common(_LONGEST.value)]
    show_table("the kernels that take longest", ["kernel", "a step"], parts, "means of the networks")


if __name__ == "__main__":
    command.run(main)

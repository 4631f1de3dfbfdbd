"""What is read out of a GPU's profile; the profile is made here, as no GPU is at hand."""

import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks.sides.kernels import work_in
from benchmarks.sides.profile import profile_of

US = 10**6
"""Picoseconds of a microsecond."""


def _line(plane, name, began_us, *events):
    """Adds a line of (name, microseconds from the line's beginning, microseconds) to a plane."""
    line = plane.lines.add(name=name, timestamp_ns=1000 * began_us)
    for kernel, offset, duration in events:
        number = sum(map(ord, kernel))
        plane.event_metadata[number].name = kernel
        line.events.add(metadata_id=number, offset_ps=offset * US, duration_ps=duration * US)


@pytest.fixture
def profile():
    space = xplane_pb2.XSpace()
    gpu = space.planes.add(name="/device:GPU:0")
    _line(gpu, "Stream #7(Compute)", 5, ("conv", 0, 10), ("conv", 30, 10), ("norm", 40, 4))
    _line(gpu, "Stream #8(MemcpyH2D)", 0, ("MemcpyH2D", 10, 9))  # from 10 to 19, of which 5 beside a kernel
    _line(gpu, "XLA Modules", 0, ("all", 0, 1000))
    _line(space.planes.add(name="/host:CPU"), "Stream of thoughts", 0, ("conv", 0, 1000))
    return space


def test_kernels_and_copies_of_a_step_are_counted_and_timed(profile):
    work = work_in(profile, steps=2)
    assert (work.kernels, work.copies) == (1.5, 0.5)
    assert work.busy == pytest.approx(14e-6)  # from 5 to 19 and from 35 to 49, in two steps
    assert list(work.longest) == ["conv", "MemcpyH2D", "norm"]
    assert list(work.longest.values()) == pytest.approx([10e-6, 4.5e-6, 2e-6])


def test_no_gpu_did_anything_in_a_profile_of_the_cpu():
    with tf.device("CPU:0"):
        work = work_in(profile_of(lambda: tf.matmul(tf.ones((50, 50)), tf.ones((50, 50))).numpy()), steps=1)
    assert work == (0, 0, 0, {})

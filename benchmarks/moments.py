"""How a long search went, as plain values that one process hands to another."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Moment:
    """What there is after a child.

    Attributes:
        children: how many were trained.
        resident: bytes of memory.
        objects: Python objects that the garbage collector knows of.
        state: bytes of the files in state/.
        logs: bytes of TensorBoard's files.
        records: bytes of trials.jsonl.
        files: how many files there are.
    """

    children: int
    resident: int
    objects: int
    state: int
    logs: int
    records: int
    files: int


@dataclasses.dataclass(frozen=True)
class History:
    """How a search went.

    Attributes:
        moments: one after each child.
        grown: of which types there are more objects at the end, and how many more.
        resident_after_trim: bytes of memory once the allocator has given back what it kept free.
    """

    moments: list[Moment]
    grown: list[tuple[str, int]]
    resident_after_trim: int

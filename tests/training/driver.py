"""`epnas-train`, with something that happens to it at an exact moment.

    python -m tests.training.driver PLAN FLAGS

PLAN is JSON: `moment`, a name of `MOMENTS`; `nth`, the how manieth time that it comes; other keys belong to the moment.
"""

import json
import sys

from epnas_tf.bin import train
from epnas_tf.bin.console import quiet_tensorflow
from epnas_tf.storage.run_directory import RunDirectory
from tests.bin.driver import at, die, fill_disk

with quiet_tensorflow():
    from epnas_tf.training import trainer

MOMENTS = {
    "test.npz is written": at(trainer, "write_whole", die, after=True),
    "the disk is full": lambda plan: at(RunDirectory, "append_record", fill_disk(plan))(plan),
}


def main():
    plan = json.loads(sys.argv.pop(1))
    MOMENTS[plan["moment"]](plan)
    train.run()


if __name__ == "__main__":
    main()

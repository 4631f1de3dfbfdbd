import sys

from tests.bin import runs

STARTED = """
import sys
from epnas_tf.bin.console import UNUSED_BY_KERAS, quiet_tensorflow
with quiet_tensorflow():
    print(sorted({"keras", "tensorflow", *UNUSED_BY_KERAS} & set(sys.modules)))
import matplotlib, sklearn
print(matplotlib.__name__, sklearn.__name__)
"""


def test_tensorflow_is_started_without_what_no_binary_uses_and_that_can_be_imported_later():
    result = runs.call((sys.executable, "-c", STARTED))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["['keras', 'tensorflow']", "matplotlib sklearn"]
    assert result.stderr == ""

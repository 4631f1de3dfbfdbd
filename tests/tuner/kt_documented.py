"""The program of docs/keras_tuner.md, as one process of a distributed search.

python -m tests.tuner.kt_documented DIRECTORY
"""

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "keras_tuner.md"

if __name__ == "__main__":
    os.chdir(sys.argv[1])
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (program,) = (block for block in blocks if "EPNASTuner(" in block)
    small = program.replace("layers=3", "layers=1").replace("epochs=3", "epochs=1")
    exec(small.partition("\n\nmodel = ")[0])

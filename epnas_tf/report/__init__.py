"""One HTML file that shows a run, made from its directory alone: search, best network and final training.

It only reads files, takes no lock and needs no TensorFlow, so it can be made at any time, also while another process
works in the same directory.

- `search_files`, `training_files`: the files of a run, read into frozen values.
- `figures`: the pictures, one module per subject.
- `tables`, `images`, `text`: everything else on the page.
- `page`: the assembly; the page's HTML and CSS are in `templates`.
"""

from epnas_tf.report.page import write_report

__all__ = ["write_report"]

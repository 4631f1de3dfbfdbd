"""One HTML file that shows a run, made from its directory alone: the search, the found network, the final training.

It only reads what a run wrote, takes no lock and needs no TensorFlow, so it can be made at any time, also beside a
process that runs in the same directory.

- `search_files`, `training_files`: what is read, as frozen values.
- `figures`: the pictures, one module a subject.
- `tables`, `images`, `text`: what is no picture.
- `page`: puts it all together; the page's HTML and CSS are in `templates`.
"""

from epnas_tf.report.page import write_report

__all__ = ["write_report"]

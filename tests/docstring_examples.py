"""Runs the examples in the docstrings of all public names; exits with 1 if one fails.

Those that need a finished run find the one that the examples of `run_search` and `train_final` make, in this folder.
"""

import doctest
import sys

import epnas_tf

FIRST = ("run_search", "train_final")


def main():
    runner, finder = (
        doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL),
        doctest.DocTestFinder(recurse=False),
    )
    for name in [*FIRST, *(name for name in epnas_tf.__all__ if name not in FIRST)]:
        (test,) = finder.find(getattr(epnas_tf, name), name, globs={})
        if not test.examples:
            print(f"{name} has no example")
            sys.exit(1)
        runner.run(test)
    print(runner.summarize(verbose=False))
    sys.exit(runner.failures > 0)


if __name__ == "__main__":
    main()

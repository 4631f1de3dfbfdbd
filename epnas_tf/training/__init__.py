"""The final training of a found architecture, from fresh weights (paper, section 5; ENAS's recipe).

- `schedule`: the learning rate; `regularization`: dropout and drop-path; `auxiliary`: the auxiliary head.
- `steps`: the training step, its loop inside the graph.
- `settings`, `architectures`: what to train, and on which images; `trainer`: a whole training in its directory.
- `trained`: the trained network, for evaluation and export.
"""

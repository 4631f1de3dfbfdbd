"""Networks that a person could have had without a search, as graphs: no TensorFlow.

- `families`: ResNet, MobileNetV2 and a plain chain of convolutions, each of any depth and width.
- `matching`: the member of a family that is nearest to a size.
- `from_space`: the largest network of a search space, and a random one of a size.
"""

from epnas_tf.options import as_flags


def test_flags_are_as_they_are_typed():
    values = {"layers": 6, "operations": ("conv_3x3", "identity"), "parts": ["a"], "xla": True, "dataset": "my photos"}
    expected = "--layers=6 --operations=conv_3x3,identity --parts=a --xla=true '--dataset=my photos'"
    assert as_flags(values) == expected

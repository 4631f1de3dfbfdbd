"""What is looked at in a person's data first: `labels`, class `names`, `copies` of images, `places` of files."""

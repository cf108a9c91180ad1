"""Puts the parts together: the command line, the supervised process tree, the demo."""

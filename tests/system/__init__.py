"""Whole-system tests: real processes of the binary in network namespaces, driven by clients that were written elsewhere."""

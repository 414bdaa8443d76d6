"""Beam PTransforms: wiring only, each calls a plain function."""

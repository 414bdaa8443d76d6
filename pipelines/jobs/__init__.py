"""One file per runnable Beam pipeline, the nightly sequence of them, and the import of files."""

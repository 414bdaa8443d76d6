"""How a step tells how far it is.

Belongs here: the one signature, light to import. Does not belong here: showing it (pipelines.jobs.reporting).
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the step's name, how many of its pieces are done, and how many there are."""

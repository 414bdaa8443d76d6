"""What a register shows: it starts somewhere, rolls over at its digits, falls to zero, is exchanged.

Belongs here: cumulative values from flows. Does not belong here: messages (events) and what a reader makes of
a drop (pipelines.domain).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipelines.demo.clock import day_index
from pipelines.demo.plants import (
    RESET_INDEX,
    RESET_MIN,
    RESET_PERIOD,
    SWAP_INDEX,
    SWAP_MIN,
    SWAP_OPENING_KWH,
    Meter,
)
from pipelines.demo.power import STEPS_PER_KWH, Steps


@dataclass(frozen=True)
class RegisterState:
    """A register at a midnight.

    Args:
        flowed: all that flowed through it since the epoch [1e-4 kWh or Nm3].
        zero: what of it the register does not show.
        closing: what the old register showed when it was exchanged; null: it was not yet.
    """

    flowed: int
    zero: int
    closing: int | None = None


def opened(meter: Meter) -> RegisterState:
    """Return a register as it stood at the epoch."""
    return RegisterState(0, -meter.opening_kwh * STEPS_PER_KWH)


def run_register(meter: Meter, state: RegisterState, flow: Steps, day: date) -> tuple[Steps, RegisterState]:
    """Run a register through a day.

    A reset happens right after the reading of its minute, so that nothing is lost with it; the new meter of
    an exchange already gives the reading of its minute.

    Returns:
        What it shows at the 1,441 minute edges [1e-4 kWh or Nm3], and its state at the next midnight.
    """
    flowed = state.flowed + np.concatenate(([0], np.cumsum(flow)))
    shown, zero, closing = flowed - state.zero, state.zero, state.closing
    if meter.resets_weekly and day_index(day) % RESET_PERIOD == RESET_INDEX % RESET_PERIOD:
        zero = int(flowed[RESET_MIN])
        shown[RESET_MIN + 1 :] = flowed[RESET_MIN + 1 :] - zero
    if meter.swapped and day_index(day) == SWAP_INDEX:
        closing = _rolled(meter, int(shown[SWAP_MIN]))
        zero = int(flowed[SWAP_MIN]) - SWAP_OPENING_KWH * STEPS_PER_KWH
        shown[SWAP_MIN:] = flowed[SWAP_MIN:] - zero
    if meter.register_digits is not None:
        shown %= _range(meter.register_digits)
    return shown, RegisterState(int(flowed[-1]), zero, closing)


def _range(digits: int) -> int:
    return STEPS_PER_KWH * int(10**digits)


def _rolled(meter: Meter, shown: int) -> int:
    return shown if meter.register_digits is None else shown % _range(meter.register_digits)

"""The luck of `make fuzz`: some valid cases go wrong on purpose, but no operation needs luck to succeed."""

from random import Random


class Chance(Random):
    """Draws that depend on the case alone; `is_sure` until the operation has succeeded once."""

    is_sure = False

    def errs(self, share: float) -> bool:
        """Whether this case is one of the share that meets what is not there, or not in the state for it."""
        return self.random() < share and not self.is_sure

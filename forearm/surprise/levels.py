"""From sizes of errors to how strange a frame is, and to the level that alarms go by."""

from collections.abc import Sequence

import numpy as np

from forearm.surprise.alarm import SMOOTH
from forearm.surprise.conformal import Table
from forearm.surprise.prediction import Array


class Levels:
    """Of one stream; `tables` are those of the K horizons and of the joints (None: nobody looks at them)."""

    def __init__(self, tables: Sequence[Table | None]) -> None:
        self._tables = tables
        self.begin()

    def begin(self) -> None:
        """Nothing was seen."""
        self.camera = self.joints = 0.0

    @property
    def level(self) -> float:
        """The greater of the means over time of the camera's and of the joints' strangeness."""
        return max(self.camera, self.joints)

    def see(self, sizes: Array) -> Array:
        """(2,) how strange a frame with these sizes (K + 1,) is to the camera and to the joints, see `Table`; NaN where
        nothing was expected, and then the level sinks.
        """
        each = np.array(
            [
                np.nan if table is None or np.isnan(size) else float(table.strangeness(size))
                for table, size in zip(self._tables, sizes, strict=True)
            ]
        )
        seen = each[:-1][~np.isnan(each[:-1])]
        strange = np.array([seen.mean() if len(seen) else np.nan, each[-1]])
        camera, joints = np.nan_to_num(strange).tolist()
        self.camera += SMOOTH * (camera - self.camera)
        self.joints += SMOOTH * (joints - self.joints)
        return strange

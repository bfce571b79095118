"""The reactor: A reacts to B, B to C, and two of A to D, in a stirred tank with a cooling jacket.

Klatt and Engell, Computers and Chemical Engineering 22 (1998); parameters and bounds are those of do-mpc's example
"CSTR", whose model `tests/test_process_plant.py` compares with this one where do-mpc is installed.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEP = 0.005
"""Hours from one command to the next: 18 s."""
PERIOD = 3600 * STEP
SUBSTEPS = 5
SENSORS = {"c_B": "mol/l", "T_R": "degC", "T_K": "degC"}
NOISE = np.array([0.003, 0.1, 0.1])
"""Standard deviations of the sensors."""
LAB = 5
"""The analyser of c_B has a result every so many steps."""
ACTIONS = {"F": "1/h", "Q_dot": "kJ/h"}
LOW, HIGH = np.array([5.0, -8500.0]), np.array([100.0, 0.0])
USUAL = np.array([30.0, -4000.0])
START = np.array([1.2, 0.9, 134.0, 128.0])
"""mol/l of A and B, degC of reactor and jacket; from where a steady state is sought."""

K0_AB, K0_AD = 1.287e12, 9.043e9
E_AB, E_AD = 9758.3, 8560.0
H_AB, H_BC, H_AD = 4.2, -11.0, -41.85
RHO, CP, CP_K, AREA, VOLUME, M_K, K_W = 0.9342, 3.01, 2.0, 0.215, 10.01, 5.0, 4032.0
T_IN, C_A0 = 130.0, 5.1


@dataclass(frozen=True)
class Faults:
    """What is broken, from step `at` on.

    Attributes:
        at: control step; None for never.
        bias: added to what the sensors say, mol/l and degC.
        stuck: commands that no longer get through, as (F, Q_dot).
        fouling: share of the jacket's heat transfer that is lost, a tenth of it in each of ten steps.
    """

    at: int | None = None
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    stuck: tuple[bool, bool] = (False, False)
    fouling: float = 0.0


def rates(state: Any, action: Any, heat_transfer: float = 1.0, exp: Any = np.exp) -> tuple[Any, Any, Any, Any]:
    """Change an hour of c_A, c_B, T_R and T_K, each a number, an array or a symbol of CasADi (with its `exp`)."""
    c_a, c_b, t_r, t_k = state
    flow, heat = action
    k_ab = K0_AB * exp(-E_AB / (t_r + 273.15))
    k_ad = K0_AD * exp(-E_AD / (t_r + 273.15))
    reaction = k_ab * c_a * H_AB + k_ab * c_b * H_BC + k_ad * c_a**2 * H_AD
    exchange = heat_transfer * K_W * AREA * (t_r - t_k)
    return (
        flow * (C_A0 - c_a) - k_ab * c_a - k_ad * c_a**2,
        -flow * c_b + k_ab * c_a - k_ab * c_b,
        -reaction / (RHO * CP) + flow * (T_IN - t_r) - exchange / (RHO * CP * VOLUME),
        (heat + exchange) / (M_K * CP_K),
    )


def after(state: Array, action: Array, heat_transfer: float = 1.0) -> Array:
    """The state (4,), or (4, N), one control step of Runge and Kutta later."""
    width = STEP / SUBSTEPS

    def change(at: Array) -> Array:
        return np.stack(rates(at, action, heat_transfer))

    for _ in range(SUBSTEPS):
        one = change(state)
        two = change(state + width / 2 * one)
        three = change(state + width / 2 * two)
        state = state + width / 6 * (one + 2 * two + 2 * three + change(state + width * three))
    return state


def steady(action: Array) -> Array:
    """Where the reactor settles under constant commands (2,), or (2, N)."""
    state = np.broadcast_to(START.reshape(4, *[1] * (action.ndim - 1)), (4, *action.shape[1:])).copy()
    for _ in range(200):
        state = after(state, action)
    return state


@dataclass
class Reactor:
    """One reactor with its sensors and what is broken about it; `seed` decides the sensors' noise."""

    seed: int
    state: Array = field(default_factory=lambda: steady(USUAL))
    faults: Faults = Faults()
    step: int = 0
    applied: Array = field(default_factory=USUAL.copy)

    def break_down(self, faults: Faults) -> None:
        """From now on."""
        self.faults = replace(faults, at=self.step)

    def read(self) -> Array:
        """(3,) what the sensors say now; NaN for the analyser between its results."""
        found = self.state[1:] + NOISE * np.random.default_rng([self.seed, self.step]).standard_normal(3)
        if self._broken:
            found = found + np.array(self.faults.bias)
        if self.step % LAB:
            found[0] = np.nan
        return np.asarray(found)

    def advance(self, action: Array) -> None:
        """Carry out commands (2,) for one control step."""
        wanted = np.clip(action, LOW, HIGH)
        transfer = 1.0
        if self._broken:
            wanted = np.where(self.faults.stuck, self.applied, wanted)
            transfer -= self.faults.fouling * min(1.0, (self.step - int(self.faults.at or 0)) / 10)
        self.applied = wanted
        self.state = after(self.state, wanted, transfer)
        self.step += 1

    @property
    def _broken(self) -> bool:
        return self.faults.at is not None and self.step >= self.faults.at


def commands_of_rest(rng: np.random.Generator) -> Array:
    """(2,) commands under which the reactor comes to rest where more feed gives more of B."""
    return rng.uniform([8.0, -7000.0], [35.0, -1000.0])

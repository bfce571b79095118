"""The oracle: do-mpc's controller, which knows the true equations and the true state (`pip install do-mpc`)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from process_plant import reactor
from process_plant.reactor import HIGH, LOW, STEP, Array

if TYPE_CHECKING:
    from process_plant.plant import Plant

HORIZON = 20
SMALL = 1e-3
"""Weight of changes of the scaled commands, beside squared distances in tolerances."""


def symbolic() -> Any:
    """The reactor as a do-mpc model, with set points that may change."""
    import casadi
    from do_mpc.model import Model

    model = Model("continuous")
    state = [model.set_variable("_x", name) for name in ("c_A", "c_B", "T_R", "T_K")]
    action = [model.set_variable("_u", name) for name in reactor.ACTIONS]
    for name in ("c_B_wanted", "T_R_wanted"):
        model.set_variable("_tvp", name)
    for name, rate in zip(("c_A", "c_B", "T_R", "T_K"), reactor.rates(state, action, exp=casadi.exp), strict=True):
        model.set_rhs(name, rate)
    model.setup()
    return model


class Mpc:
    """Acts by do-mpc's plan from the true state, towards the plant's set points."""

    def __init__(self, plant: "Plant") -> None:
        from do_mpc.controller import MPC

        from process_plant.plant import TOLERANCE

        self.plant, model = plant, symbolic()
        self.mpc = MPC(model)
        self.mpc.settings.n_horizon, self.mpc.settings.t_step = HORIZON, STEP
        self.mpc.settings.collocation_deg = 2
        self.mpc.settings.supress_ipopt_output()
        for name, scale in {"T_R": 100.0, "T_K": 100.0}.items():
            self.mpc.scaling["_x", name] = scale
        for number, name in enumerate(reactor.ACTIONS):
            self.mpc.scaling["_u", name] = HIGH[number] - LOW[number]
            self.mpc.bounds["lower", "_u", name] = LOW[number]
            self.mpc.bounds["upper", "_u", name] = HIGH[number]
        off = [
            (model.x[name] - model.tvp[f"{name}_wanted"]) / size
            for name, size in zip(("c_B", "T_R"), TOLERANCE, strict=True)
        ]
        cost = off[0] ** 2 + off[1] ** 2
        self.mpc.set_objective(mterm=cost, lterm=cost)
        self.mpc.set_rterm(**{n: SMALL / (HIGH[i] - LOW[i]) ** 2 for i, n in enumerate(reactor.ACTIONS)})
        template = self.mpc.get_tvp_template()

        def wanted(now: float) -> Any:
            for name, value in zip(("c_B_wanted", "T_R_wanted"), plant.goal, strict=True):
                template["_tvp", :, name] = value
            return template

        self.mpc.set_tvp_fun(wanted)
        self.mpc.setup()
        self.begun = False

    def act(self) -> Array:
        """(2,) the commands for the next step."""
        state = self.plant.reactor.state
        if not self.begun:
            self.mpc.x0, self.mpc.u0 = state, self.plant.rest()
            self.mpc.set_initial_guess()
            self.begun = True
        return np.asarray(self.mpc.make_step(state.reshape(4, 1))).reshape(2)

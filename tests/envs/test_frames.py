"""A frame is what MuJoCo's own drawing makes of the model and state as they are now, whichever field has changed."""

import copy
import importlib
import warnings
from collections.abc import Callable, Iterator

import mujoco
import numpy as np
import pytest

from forearm.envs.rendering import View, working_backend
from forearm.envs.twin import Twin

SIDE = 48
SCENE = """<mujoco><compiler autolimits="true"/>
<visual><headlight ambient=".4 .4 .4"/><map fogstart="1" fogend="4" haze=".4"/></visual>
<statistic center="0 0 .2" extent="1"/>
<asset>
  <texture name="sky" type="skybox" builtin="gradient" rgb1=".3 .5 .7" rgb2="0 0 0" width="16" height="96"/>
  <texture name="check" type="2d" builtin="checker" rgb1="1 .2 .2" rgb2=".1 .1 .3" width="16" height="16"/>
  <texture name="stripe" type="2d" builtin="gradient" rgb1="0 1 0" rgb2="0 0 1" width="16" height="16"/>
  <texture name="box" type="cube" builtin="gradient" rgb1="1 1 0" rgb2="0 1 1" width="8" height="8"/>
  <material name="floor" texture="check" texrepeat="3 3" reflectance=".2"/>
  <material name="boxed" texture="box" specular=".6" shininess=".4"/>
  <material name="plain" rgba=".3 .8 .4 1" emission=".1"/>
  <mesh name="wedge" vertex="0 0 0  .2 0 0  0 .2 0  .2 .2 0  .1 .1 .2" face="0 2 1 1 2 3 0 1 4 1 3 4 3 2 4 2 0 4"
        texcoord="0 0 1 0 0 1 1 1 .5 .5"/>
  <hfield name="hills" nrow="5" ncol="5" size=".15 .15 .1 .02"
          elevation="0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0"/>
</asset>
<worldbody>
  <light name="above" pos=".3 -.3 1.5" dir="-.2 .2 -1" diffuse=".6 .5 .4"/>
  <light name="sun" directional="true" pos="0 0 2" dir=".3 .2 -1" diffuse=".3 .3 .3" specular=".1 .1 .1"/>
  <camera name="still" pos="0 -1 .9" xyaxes="1 0 0 0 .67 .74"/>
  <geom name="floor" type="plane" size=".8 .8 .1" material="floor"/>
  <geom name="wedge" type="mesh" mesh="wedge" material="check_mesh" pos="-.45 0 0"/>
  <geom name="hills" type="hfield" hfield="hills" pos=".45 .35 .02" material="plain"/>
  <body name="arm" pos="0 .1 .25">
    <joint name="turn" axis="0 1 .2"/><joint name="slide" type="slide" axis="1 0 0"/>
    <camera name="follow" pos="0 -.8 .3" mode="trackcom" xyaxes="1 0 0 0 .3 1"/>
    <light name="lamp" pos="0 0 .4" dir="0 0 -1" mode="targetbodycom" target="free" diffuse=".3 .1 .3"/>
    <geom name="upper" type="capsule" size=".03" fromto="0 0 0 .2 0 .1" rgba=".9 .6 .1 1"/>
    <site name="hand" pos=".2 0 .1" size=".05" rgba="1 0 1 1"/>
  </body>
  <body name="free" pos=".2 -.2 .1"><freejoint/><geom name="cube" type="box" size=".06 .06 .06" material="boxed"/>
    <site name="hook" pos="0 0 .06" size=".01"/></body>
  <body name="dragged" mocap="true" pos="-.2 -.2 .2"><geom type="ellipsoid" size=".05 .03 .06" rgba=".2 .2 .9 .6"
    contype="0" conaffinity="0"/></body>
  <body name="holder" pos="-.2 -.15 .35"><flexcomp name="cloth" type="grid" count="4 4 1" spacing=".06 .06 .06" dim="2"
    radius=".004" mass=".1" rgba=".1 .8 .2 1"><edge equality="true"/></flexcomp></body>
</worldbody>
<tendon><spatial name="rope" width=".012" rgba=".9 .1 .9 1"><site site="hand"/><site site="hook"/></spatial></tendon>
<actuator><muscle name="pull" tendon="rope" ctrlrange="0 1" lengthrange=".1 1"/></actuator>
</mujoco>""".replace(
    '<material name="plain"',
    '<material name="check_mesh" texture="check"/>\n  <material name="plain"',
)
SKINNED = """<mujoco><visual><headlight ambient=".4 .4 .4"/></visual><asset>
  <texture name="check" type="2d" builtin="checker" rgb1="1 .2 .2" rgb2=".1 .1 .3" width="16" height="16"/>
  <material name="skinned" texture="check" rgba="1 1 .5 1"/></asset><worldbody>
  <camera name="still" pos="0 -1 .4" xyaxes="1 0 0 0 0 1"/><camera name="follow" pos="0 -1 .8" xyaxes="1 0 0 0 .5 1"/>
  <body name="bone1" pos="-.2 0 .3"><joint type="slide" axis="0 0 1"/><geom size=".01" mass=".1"/></body>
  <body name="bone2" pos=".2 0 .3"><joint type="slide" axis="0 0 1"/><geom size=".01" mass=".1"/></body></worldbody>
  <deformable><skin name="hide" vertex="-.3 0 .1  -.3 0 .5  .3 0 .1  .3 .2 .5" face="0 2 1 1 2 3"
    texcoord="0 0 0 1 1 0 1 1" material="skinned">
    <bone body="bone1" bindpos="-.2 0 .3" bindquat="1 0 0 0" vertid="0 1" vertweight="1 1"/>
    <bone body="bone2" bindpos=".2 0 .3" bindquat="1 0 0 0" vertid="2 3" vertweight="1 1"/></skin></deformable>
</mujoco>"""
MODEL = mujoco.MjModel.from_xml_string(SCENE)
SKIN = mujoco.MjModel.from_xml_string(SKINNED)
"""A model of its own: before MuJoCo 3.13 no cloth is drawn in a model that has a skin."""

STRUCTURE = (
    *("adr", "num", "id", "id1", "id2", "type", "map", "pathadr", "sameframe", "trnid", "nchannel", "width", "height"),
    *("nrow", "ncol", "dim", "child", "depth", "edge", "elem", "shell", "signature", "stage", "mode", "graph"),
    *("colind", "rownnz"),
)
"""Last parts of the names of whole-number fields that say how a model is put together: they are never changed."""
STRUCTURE_FIELDS = frozenset(
    (
        *(
            "flex_elemedge",
            "flex_elemlayer",
            "flex_evpair",
            "flex_interp",
            "body_parentid",
            "body_simple",
            "dof_simplenum",
        ),
        *("mesh_polyvert", "mesh_polymap", "plugin", "plugin_attr", "pair_geom1", "pair_geom2", "tuple_objtype"),
        *("names_map", "wrap_type", "flex_node", "flex_vertbodyid", "flex_nodebodyid", "geom_plugin", "body_plugin"),
        *("actuator_plugin", "sensor_plugin", "numeric_size", "text_size", "tuple_size", "mesh_facetexcoord"),
        *("mesh_facenormal", "skin_face", "mesh_face", "skin_bonevertid"),
        # Of MuJoCo 4.
        *(
            "D_diag",
            "actuator_history",
            "sensor_history",
            "sensor_intprm",
            "efmC_perm",
            "flex_edgeflap",
            "mesh_extrema",
        ),
        *("flex_elemtexcoord", "flex_vertcell", "mapD2M", "mapM2D", "mapM2M"),
    )
)
"""... and such fields by their whole names."""
WHOLE_NUMBERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tex_data": lambda x: 255 - x,
    "geom_group": lambda x: np.where(np.arange(len(x)) == 4, 3, x),
    "geom_matid": lambda x: np.where(x >= 0, (x + 1) % MODEL.nmat, x),
    "site_group": lambda x: np.where(np.arange(len(x)) == 0, 4, x),
    "flex_group": lambda x: x + 4,
    "skin_group": lambda x: x + 4,
    "tendon_group": lambda x: x + 4,
    "mat_texid": lambda x: np.where(x == 1, 2, x),  # two flat ones
    "mat_texuniform": lambda x: 1 - x,
    "light_active": lambda x: 1 - x,
    "light_directional": lambda x: 1 - x,
    "light_castshadow": lambda x: 1 - x,
    "flex_flatskin": lambda x: 1 - x,
    "cam_orthographic": lambda x: 1 - x,
    "cam_projection": lambda x: 1 - x,
    "light_type": lambda x: 1 - x,
    "geom_castshadow": lambda x: 1 - x,
    "tex_colorspace": lambda x: np.where(x == 2, 1, 2),
}
"""Whole-number fields that may change while a model is in use and that a frame can depend on, and a change of each."""
UNSEEN = frozenset(
    (
        *(
            "actuator_actearly",
            "actuator_actlimited",
            "actuator_ctrllimited",
            "actuator_forcelimited",
            "actuator_group",
        ),
        *("body_conaffinity", "body_contype", "cam_resolution", "eq_active0", "flex_activelayers", "flex_centered"),
        *("flex_conaffinity", "flex_condim", "flex_contype", "flex_edgeequality", "flex_internal", "flex_priority"),
        *("flex_rigid", "flex_selfcollide", "flexedge_rigid", "geom_conaffinity", "geom_condim", "geom_contype"),
        # Of MuJoCo 4.
        *("actuator_ctrlspec", "cam_output", "flex_passive", "tendon_actfrclimited", "tree_sleep_policy"),
        *("geom_priority", "jnt_actfrclimited", "jnt_actgravcomp", "jnt_group", "jnt_limited", "tendon_limited"),
    )
)
"""Whole-number fields that may change and that no frame shows: they belong to forces and contacts."""


def arrays(model: mujoco.MjModel) -> Iterator[tuple[str, np.ndarray]]:
    for name in dir(model):
        if not name.startswith("_") and isinstance(getattr(model, name), np.ndarray):
            yield name, getattr(model, name)


def is_structure(name: str) -> bool:
    return name in STRUCTURE_FIELDS or name.split("_")[-1].endswith(STRUCTURE)


def real_fields(model: mujoco.MjModel) -> list[str]:
    return [name for name, array in arrays(model) if array.dtype.kind == "f" and array.size]


def change(name: str, array: np.ndarray) -> None:
    if name in WHOLE_NUMBERS:
        array[...] = WHOLE_NUMBERS[name](array)
    else:
        array[...] = -array if name == "mesh_normal" else array * 1.15 + 0.03


class Reference:
    """MuJoCo's own drawing of a model and state, made anew for every frame; shadows and reflections are off."""

    def __init__(self) -> None:
        self._gl = importlib.import_module(f"mujoco.{working_backend()}").GLContext(SIDE, SIDE)

    def frames(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, np.ndarray]:
        """By camera."""
        model, posed = copy.copy(model), copy.copy(data)
        mujoco.mj_forward(model, posed)
        model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = SIDE
        self._gl.make_current()
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        scene, option = mujoco.MjvScene(model, 2000), mujoco.MjvOption()
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        frames, viewport = {}, mujoco.MjrRect(0, 0, SIDE, SIDE)
        for name, camera in CAMERAS.items():
            view, pixels = mujoco.MjvCamera(), np.empty((SIDE, SIDE, 3), np.uint8)
            if isinstance(camera, View):
                view.lookat[:], view.distance = camera.lookat, camera.distance
                view.azimuth, view.elevation = camera.azimuth, camera.elevation
            else:
                view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(camera).id
            mujoco.mjv_updateScene(model, posed, option, None, view, mujoco.mjtCatBit.mjCAT_ALL, scene)
            mujoco.mjr_render(viewport, scene, context)
            mujoco.mjr_readPixels(pixels, None, viewport, context)
            frames[name] = pixels[::-1]
        context.free()
        return frames

    def close(self) -> None:
        self._gl.free()


CAMERAS = {"still": "still", "follow": "follow", "free": View((0, 0, 0.2), 1.4, 60.0, -30.0)}


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    drawing = Reference()
    yield drawing
    drawing.close()


class Stage:
    """A model, its data and a twin that has already drawn both as they were."""

    def __init__(self, model: mujoco.MjModel = MODEL, **settings: object) -> None:
        self.model = copy.copy(model)
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:2] = 0.15, 0.03
        if self.model.na:
            self.data.act[:] = 0.3
        mujoco.mj_forward(self.model, self.data)
        self.twin = Twin(self.model, self.data, CAMERAS, **{"cell": 0.0, "markers": True, **settings})
        self.before = {name: self.twin.render(name, SIDE) for name in CAMERAS}

    def check(self, reference: Reference, what: str) -> bool:
        """Whether any frame has changed; each must be MuJoCo's own."""
        changed = False
        for name, there in reference.frames(self.model, self.data).items():
            here = self.twin.render(name, SIDE)
            assert np.array_equal(here, there), (
                f"{what}, camera {name}: {np.abs(here.astype(int) - there).max()} of 255"
            )
            changed |= not np.array_equal(here, self.before[name])
        return changed


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.twin.close()


def test_every_whole_number_field_of_the_model_is_known():
    """What a newer MuJoCo adds has to be put into one of the lists above, after a look at what draws it."""
    unknown = [
        name
        for name, array in arrays(MODEL)
        if array.dtype.kind != "f" and not is_structure(name) and name not in WHOLE_NUMBERS and name not in UNSEEN
    ]
    unknown = [name for name in unknown if not name.endswith("_user")]
    assert not unknown, unknown


def changed_one_by_one(model: mujoco.MjModel, reference: Reference) -> set[str]:
    """Checks the frames for every field; which of them a frame shows."""
    shown, stage, fresh = set(), Stage(model), copy.copy(model)
    for name in [*real_fields(model), *WHOLE_NUMBERS]:
        if hasattr(model, name):
            array = getattr(stage.model, name)
            change(name, array)
            if stage.check(reference, name):
                shown.add(name)
            array[...] = getattr(fresh, name)
    assert not stage.check(reference, "all as it was")
    stage.twin.close()
    return shown


def test_every_field_of_the_model_that_can_change_is_drawn_as_mujoco_draws_it(reference: Reference):
    shown = changed_one_by_one(MODEL, reference)
    expected = {
        *("geom_pos", "geom_quat", "geom_size", "geom_rgba", "geom_matid", "geom_group", "body_pos", "body_quat"),
        *(
            "cam_pos",
            "cam_quat",
            "cam_fovy",
            "light_pos",
            "light_dir",
            "light_diffuse",
            "light_ambient",
            "light_active",
        ),
        "light_type" if hasattr(MODEL, "light_type") else "light_directional",
        *("light_specular", "light_attenuation", "light_cutoff", "light_exponent"),
        *("mat_rgba", "mat_emission", "mat_specular", "mat_shininess", "mat_texid", "mat_texrepeat"),
        *("tex_data", "hfield_data", "hfield_size", "mesh_vert", "mesh_normal", "mesh_texcoord"),
        *("site_pos", "site_rgba", "site_size", "site_group", "tendon_rgba", "tendon_width", "tendon_group"),
        *("flex_rgba", "flex_group", "flex_radius", "jnt_axis", "qpos0"),
    }
    assert expected <= shown, expected - shown


def test_every_field_of_a_skin_is_drawn_as_mujoco_draws_it(reference: Reference):
    shown = changed_one_by_one(SKIN, reference)
    expected = {"skin_vert", "skin_group", "skin_bonebindpos", "skin_texcoord", "skin_inflate", "mat_rgba", "tex_data"}
    assert expected <= shown, expected - shown


def settings(model: mujoco.MjModel) -> Iterator[tuple[str, object, str]]:
    parts = {f"vis.{name}": getattr(model.vis, name) for name in dir(model.vis) if name[0].islower()}
    for part, holder in {**parts, "stat": model.stat}.items():
        for name in dir(holder):
            if not name.startswith("_"):
                yield f"{part}.{name}", holder, name


NOT_FOLLOWED = {"vis.quality.offsamples", "vis.quality.shadowsize", "vis.global_.offwidth", "vis.global_.offheight"}
"""Multisampling and shadows are off for speed, and a frame's size is asked for by name."""


FACTORS = {"vis.map.znear": 60, "vis.map.zfar": 0.02}
"""Of those that show only when they change by much."""


def test_every_setting_of_the_picture_is_drawn_as_mujoco_draws_it(reference: Reference):
    shown = set()
    stage = Stage()
    for label, holder, name in settings(stage.model):
        value = getattr(holder, name)
        if label in NOT_FOLLOWED or (isinstance(value, np.ndarray) and not value.size):
            continue
        kept = copy.copy(value)
        if isinstance(value, np.ndarray):
            value[...] = 1 - 0.5 * value
        else:
            factor = FACTORS.get(label, 1.5)
            setattr(
                holder, name, int(not value) if isinstance(value, int) and value < 3 else type(value)(value * factor)
            )
        if stage.check(reference, label):
            shown.add(label)
        if isinstance(value, np.ndarray):
            value[...] = kept
        else:
            setattr(holder, name, kept)
    stage.twin.close()
    expected = {f"vis.headlight.{name}" for name in ("ambient", "diffuse", "specular", "active")}
    expected |= {"vis.map.znear", "vis.map.zfar", "vis.map.haze", "vis.rgba.haze", "vis.global_.fovy"}
    assert expected - shown <= {"vis.map.haze", "vis.rgba.haze"}, expected - shown


def test_every_part_of_the_state_is_drawn_as_mujoco_draws_it(reference: Reference, stage: Stage):
    shown = set()
    for name in ("qpos", "qvel", "act", "ctrl", "mocap_pos", "mocap_quat", "eq_active", "xfrc_applied"):
        array = getattr(stage.data, name)
        kept = array.copy()
        array[...] = 1 - array if array.dtype.kind in "bu" else array * 0.9 + 0.1
        if stage.check(reference, name):
            shown.add(name)
        array[...] = kept
    assert shown == {"qpos", "mocap_pos", "mocap_quat"}


def test_a_cloth_is_drawn_as_it_falls_and_drawing_does_not_touch_it(reference: Reference, stage: Stage):
    for _ in range(3):
        mujoco.mj_step(stage.model, stage.data, nstep=20)
        before = stage.data.flexvert_xpos.copy(), stage.data.xpos.copy()
        assert stage.check(reference, "falling")
        assert np.array_equal(before[0], stage.data.flexvert_xpos) and np.array_equal(before[1], stage.data.xpos)


def test_drawing_leaves_the_model_alone_whatever_is_hidden():
    stage = Stage(hidden=("free",))
    fresh = copy.copy(MODEL)
    assert all(
        np.array_equal(array, getattr(fresh, name), equal_nan=True) for name, array in arrays(stage.model) if array.size
    )
    assert fresh.vis.quality.shadowsize == stage.model.vis.quality.shadowsize > 0
    bare = Stage()
    assert not np.array_equal(stage.before["still"], bare.before["still"])
    stage.twin.close()
    bare.twin.close()


@pytest.mark.parametrize("sensor", ["rangefinder"])
def test_beams_of_range_finders_are_drawn(reference: Reference, sensor: str):
    xml = SCENE.replace("</mujoco>", f'<sensor><{sensor} site="hand"/></sensor></mujoco>')
    stage = Stage(mujoco.MjModel.from_xml_string(xml))
    stage.data.qpos[:2] = [1.9, 0.05]
    assert stage.check(reference, sensor)
    stage.twin.close()


def test_thinned_meshes_follow_their_model_as_well(reference: Reference):
    stage = Stage(cell=0.02)
    stage.model.mesh_vert[:, 2] *= 2.0
    assert stage.check(reference, "mesh_vert")
    stage.twin.close()


def test_sites_that_are_not_drawn_are_named_once_unless_that_is_meant():
    data = mujoco.MjData(MODEL)
    with pytest.warns(UserWarning, match="sites hand, hook.*markers=True"):
        Twin(MODEL, data, CAMERAS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for meant in (True, False):
            Twin(MODEL, data, CAMERAS, markers=meant)
        without = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
        Twin(without, mujoco.MjData(without), {})


def test_with_fixed_assets_all_but_assets_is_followed(reference: Reference):
    stage = Stage(fixed_assets=True)
    stage.model.tex_data[...] = 255 - stage.model.tex_data
    assert np.array_equal(stage.twin.render("still", SIDE), stage.before["still"])
    stage.model.tex_data[...] = MODEL.tex_data
    stage.model.cam_fovy[:] = 70
    stage.model.geom_rgba[:] = 0.7
    assert stage.check(reference, "fixed assets")
    stage.twin.close()


def test_a_cloth_beside_a_skin_is_named_where_mujoco_does_not_draw_it(reference: Reference):
    cloth = '<flexcomp name="c" type="grid" count="5 5 1" spacing=".1 .1 .1" dim="2" radius=".01" rgba="0 0 1 1"/>'
    both = SKINNED.replace("</worldbody>", f'<body name="holder" pos="0 -.2 .2">{cloth}</body></worldbody>')
    model = mujoco.MjModel.from_xml_string(both)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        stage = Stage(model)
    named = any("no cloth (flex)" in str(warning.message) for warning in told)
    stage.model.flex_rgba[:] = 1, 1, 0, 1
    assert stage.check(reference, "cloth and skin") != named
    stage.twin.close()

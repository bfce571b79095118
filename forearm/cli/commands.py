"""The table of sub-commands: where each lives, and what its help says."""

from dataclasses import dataclass

SWEPT = (
    "plan",
    "imagine",
    "run",
    "compare",
    "diagnose",
    "pools",
    "collect",
    "practice",
    "learn",
    "train",
    "train-heads",
)
"""Commands whose settings may be given several values."""


@dataclass(frozen=True)
class Subcommand:
    """One sub-command: where its `main(overrides) -> int` lives, and its help."""

    module: str
    summary: str
    examples: tuple[str, ...]
    config: str | None = None


COMMANDS: dict[str, Subcommand] = {
    "list": Subcommand("forearm.cli.list", "tasks, planners, checkpoints and protocols", ("forearm list",)),
    "plan": Subcommand(
        "forearm.cli.plan",
        "one plan from a start frame and a goal frame; nothing moves",
        (
            "forearm plan task=push start=a.png goal=b.png planner=cem out=plan.json",
            "forearm plan task=reach seed=3 planner.samples=400",
            "forearm plan task=push format=joint_trajectory out=trajectory.yaml",
        ),
        "plan",
    ),
    "imagine": Subcommand(
        "forearm.cli.imagine",
        "what the world model expects of any commands, as pictures; nothing moves",
        (
            "forearm imagine task=push actions=plan.json seed=3 real=true",
            "forearm imagine task=reach start=a.png goal=b.png 'actions=[[1,0,0,0],[1,0,0,0]]' picture=imagined.mp4",
        ),
        "imagine",
    ),
    "run": Subcommand(
        "forearm.cli.run",
        "closed loop in the simulator, with a film of every episode",
        (
            "forearm run task=push planner=mppi episodes=3",
            "forearm run task=reach dynamics=oracle out=outputs/ceiling",
        ),
        "run",
    ),
    "compare": Subcommand(
        "forearm.cli.compare",
        "planners on the same episodes, with floors, ceilings and error bars",
        (
            "forearm compare task=[reach,push] planner=[cem,mppi,random_shooting] episodes=50 seed=0",
            "forearm compare task=push planner=[cem,mppi] cem.samples=100 oracle=true oracle_episodes=20",
            "forearm compare task=push planner.horizon=8,12 seed=0,1 budget=evaluations:500",
            "forearm compare manifest=push.json planner=[cem,mppi]",
            "forearm compare here/results.json there/results.json out=outputs/both",
        ),
        "compare",
    ),
    "report": Subcommand(
        "forearm.cli.report",
        "results of a comparison as a page to look at, or a table: CSV, LaTeX, Markdown",
        (
            "forearm report outputs/compare/results.json",
            "forearm report outputs/compare/results.json format=latex out=table.tex",
        ),
        "report",
    ),
    "manifest": Subcommand(
        "forearm.cli.manifest",
        "episodes for comparisons: start states, goals, seeds and a hash",
        ("forearm manifest task=push protocol=rest episodes=100 seed=1 out=push.json",),
        "manifest",
    ),
    "diagnose": Subcommand(
        "forearm.cli.diagnose",
        "why a planner fails: latents, cost, dynamics, candidates or distance",
        (
            "forearm diagnose task=pick_place planner=cem episodes=20",
            "forearm diagnose task=fetch/push planner=guided samples=null iterations=null",
        ),
        "diagnose",
    ),
    "pools": Subcommand(
        "forearm.cli.pools",
        "candidates of plans, carried out: for a ranking, and the margin of a gate",
        ("forearm pools task=pick_place planner=guided episodes=40 seed=11 out=outputs/pools",),
        "pools",
    ),
    "serve": Subcommand(
        "forearm.cli.serve",
        "plans over a websocket, for forearm's client or openpi's",
        (
            "forearm serve task=push",
            "forearm serve task=push goals=goals/ host=0.0.0.0 token_file=token.txt tls_cert=cert.pem tls_key=key.pem",
        ),
        "serve",
    ),
    "mcp": Subcommand(
        "forearm.cli.mcp",
        "tools for language models and other agents (Model Context Protocol)",
        (
            "forearm mcp task=push",
            "forearm mcp task=push transport=http goals=goals/ allow_motion=true",
        ),
        "mcp",
    ),
    "ros2": Subcommand(
        "forearm.cli.ros2",
        "a ROS 2 node that drives an arm to what a goal shows; needs no ROS",
        (
            "forearm ros2 task=push goal=goal.png",
            "forearm ros2 task=push goal=goal.png command=/panda_arm_controller/joint_trajectory record=run.mcap",
        ),
        "ros2",
    ),
    "collect": Subcommand(
        "forearm.cli.collect",
        "film an explorer, mostly a noisy scripted expert, into a LeRobotDataset folder",
        ("forearm collect task=push episodes=2500 out=data/push",),
        "collect",
    ),
    "data": Subcommand(
        "forearm.cli.data",
        "what is in a data set, its rates, ranges and gaps",
        (
            "forearm data inspect data=FOLDER",
            "forearm data inspect data=FOLDER frames=true",
            "forearm data convert data=run.mcap commands=push out=data/run",
        ),
        "data",
    ),
    "robot": Subcommand(
        "forearm.cli.robot",
        "what a robot's config, or a model file, describes, and a drawing of it",
        (
            "forearm robot check arm.yaml",
            "forearm robot check arm.urdf tool=gripper_link picture=arm.png",
        ),
        "robot-check",
    ),
    "train": Subcommand(
        "forearm.cli.train",
        "train a world model on such a folder",
        (
            "forearm train task=push data=data/push out=outputs/push",
            "forearm train task=push data=data/push out=outputs/push resume=true",
            "forearm train task=own data=FOLDER camera_key=observation.images.wrist",
            "torchrun --standalone --nproc_per_node=2 -m forearm train task=push data=data/push out=outputs/push",
        ),
        "train",
    ),
    "train-heads": Subcommand(
        "forearm.cli.train_heads",
        "train what planning can use beside a world model: an action prior and a distance",
        (
            "forearm train-heads task=push data=data/push task.checkpoint=outputs/push",
            "forearm train-heads task=push data=data/push distance.kind=quasimetric",
        ),
        "train-heads",
    ),
    "calibrate": Subcommand(
        "forearm.cli.calibrate",
        "what is normal for a checkpoint: its frames, nearness to a goal, and what surprises it",
        (
            "forearm collect task=push seed=201 episodes=700 steps=50 out=data/held-out",
            "forearm calibrate task=push data=data/held-out",
            "forearm calibrate task=push data=data/held-out parts=[surprise]",
        ),
        "calibrate",
    ),
    "monitor": Subcommand(
        "forearm.cli.monitor",
        "what in recorded episodes surprises a checkpoint, as a page and a table",
        ("forearm monitor task=push data=FOLDER", "forearm monitor task=push data=FOLDER rate=12 episodes=0:40"),
        "monitor",
    ),
    "learn": Subcommand(
        "forearm.cli.learn",
        "from nothing to a measured world model within so many minutes, and on from there",
        (
            "forearm learn task=push minutes=12 out=outputs/learn-push",
            "forearm learn task=push minutes=+12 resume=true out=outputs/learn-push",
            "forearm learn task=own data=FOLDER minutes=20",
        ),
        "learn",
    ),
    "practice": Subcommand(
        "forearm.cli.practice",
        "rounds of filming what planners do, training on, and keeping what is better",
        (
            "forearm practice task=push data=data/push rounds=3",
            "forearm practice task=pick_place planner=[guided,cem] data=data/pick_place out=outputs/practised",
        ),
        "practice",
    ),
    "doctor": Subcommand(
        "forearm.cli.doctor", "what this machine has, and what to do about what it has not", ("forearm doctor",)
    ),
}

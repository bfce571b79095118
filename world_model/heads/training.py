"""Training of the heads: encode the episodes once with the frozen model, fit every head on the latents, report.

The decoder is another part of it, with files of its own: it is for people to look at, not to plan with.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from forearm.common.progress import Progress
from forearm.errors import InputError, did_you_mean
from forearm.world_model.data import (
    ACTION_KEY,
    DatasetError,
    FrameCache,
    open_cache,
    read_dataset,
    split_episodes,
    with_differences,
    with_features,
)
from forearm.world_model.data.atomic import read_json
from forearm.world_model.data.cache import memory_of
from forearm.world_model.data.columns import Keys, advice
from forearm.world_model.data.layout import INFO_PATH, cameras_of
from forearm.world_model.data.stream_sources import read_streams
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig, prior_loss, train_prior
from forearm.world_model.heads.checkpoint import Heads, save_heads
from forearm.world_model.heads.decoder import DecoderConfig, Frames, picture_errors, train_decoder
from forearm.world_model.heads.decoder_checkpoint import save_decoder
from forearm.world_model.heads.distance import Distance, DistanceConfig
from forearm.world_model.heads.distances import train_distance
from forearm.world_model.heads.fitting import OnStep
from forearm.world_model.heads.pools import joined, load_pools
from forearm.world_model.heads.ranking import RankingConfig, ranking_report, train_ranking
from forearm.world_model.heads.ranking_checkpoint import save_ranking
from forearm.world_model.heads.recorded import RecordedConfig, recorded_ways, save_recorded
from forearm.world_model.heads.student import StudentConfig, student_errors, train_student
from forearm.world_model.heads.student_checkpoint import save_student
from forearm.world_model.heads.subgoal import SubgoalConfig, subgoal_errors, train_subgoal
from forearm.world_model.heads.subgoal_checkpoint import save_subgoal
from forearm.world_model.heads.trajectories import Trajectories, encode_episodes
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import (
    DECODER,
    HEADS,
    RANKING,
    RECORDED,
    STUDENT,
    SUBGOAL,
    load_checkpoint,
)

HELD_OUT_PAIRS = 8192
LOOKED_UP = 128
"""Pairs of held-out moments for which recorded ways are looked up, which takes a while."""
PARTS = ("heads", "student", "subgoal", "recorded", "ranking", "decoder")
"""What can be trained: the prior and the distance, which share their files, the student, the sub-goals, or ways out of
recordings in their place, the ranking, and the decoder.
"""


@dataclass(frozen=True)
class HeadsTraining:
    """One training of heads: on which model and data, how, and where it goes.

    Attributes:
        checkpoint: name or path of the world model.
        data: LeRobotDataset v3 folder, filmed by the camera that the model was trained with.
        action_key, state_key: columns with commands and joint readings; None for those that the model was trained on.
        episodes, exclude: which episodes count and which do not, see `dataset.selection.select`.
        out: JSON file of the heads.
        prior, distance, student, subgoal, recorded, ranking, decoder: settings of each.
        parts: out of `PARTS`; the decoder's files lie beside `out`.
        pools: JSON files or folders of executed pools, of which the ranking is learned; it needs no other data.
        validation: share of episodes that the report is made on.
        seed: of weights, batches and the split.
        description: what else the JSON shall say.
        cache_dir: folder of the decoded frames; None for beside the data.
    """

    checkpoint: str | Path
    data: Path
    out: Path
    prior: PriorConfig = field(default_factory=PriorConfig)
    distance: DistanceConfig = field(default_factory=DistanceConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    subgoal: SubgoalConfig = field(default_factory=SubgoalConfig)
    recorded: RecordedConfig = field(default_factory=RecordedConfig)
    ranking: RankingConfig = field(default_factory=RankingConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    pools: tuple[Path, ...] = ()
    parts: tuple[str, ...] = PARTS[:1]
    validation: float = 0.05
    seed: int = 0
    action_key: Keys = None
    state_key: Keys = None
    episodes: Any = None
    exclude: Any = None
    description: dict[str, Any] = field(default_factory=dict)
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for parts that there are not."""
        for part in self.parts:
            if part not in PARTS:
                raise InputError(f"parts: unknown part '{part}'{did_you_mean(part, PARTS)}")
        if "ranking" in self.parts and not self.pools:
            raise InputError("parts=[ranking] is learned from executed pools: name some, pools=[FOLDER]")
        if not self.parts:
            raise InputError(f"parts: name at least one of {', '.join(PARTS)}")

    @property
    def learns_from_data(self) -> bool:
        """Whether any part is learned from the data set."""
        return any(part != "ranking" for part in self.parts)

    @property
    def files(self) -> dict[str, Path]:
        """The JSON file of each part."""
        name = self.out.name.removesuffix(f"{HEADS}.json")
        known = {
            "heads": HEADS, "student": STUDENT, "subgoal": SUBGOAL, "recorded": RECORDED, "ranking": RANKING,
            "decoder": DECODER,
        }  # fmt: skip
        return {part: self.out.with_name(f"{name}{known[part]}.json") for part in PARTS if part in self.parts}


@dataclass(frozen=True)
class _Encoded:
    """What heads are trained and tested on: a model, its data, and the latents of two shares of its episodes."""

    model: JEPA
    weights_sha256: str
    cache: FrameCache
    episodes: tuple[NDArray[np.int64], NDArray[np.int64]]
    latents: tuple[Trajectories, Trajectories]

    def frames(self, share: int) -> Frames:
        """The frames of the latents of one share."""
        rows = self.cache.rows(self.episodes[share])
        return lambda moments: self.cache.frames[rows[moments.numpy()]]


def train_heads(training: HeadsTraining, progress: Progress = lambda what, done, of: None) -> dict[str, Any]:
    """Trains the parts, writes the pair of files of each, and returns the report, which the JSON holds too.

    Raises:
        CheckpointError: a world model that cannot be read.
        DatasetError: data that cannot be read, or of another camera, rate or number of commands.
        ValueError: a validation share that leaves nothing to train or to test on.
        FloatingPointError: a loss that is no longer finite.
    """
    if not training.learns_from_data:
        return {"ranking": _fit_ranking(training, progress)}
    encoded = _encode(training, progress)
    cache, skip, metrics = encoded.cache, encoded.model.config.frameskip, dict[str, Any]()
    description = {
        **training.description,
        "dataset": {"fingerprint": cache.fingerprint, "frames": len(cache.frames), "episodes": cache.episodes},
        "seed": training.seed,
    }
    training.out.parent.mkdir(parents=True, exist_ok=True)
    if "heads" in training.parts:
        heads, metrics = fit_heads(*encoded.latents, training.prior, training.distance, training.seed, progress, skip)
        save_heads(heads, training.files["heads"], encoded.weights_sha256, {**description, "metrics": metrics})
    if "student" in training.parts:
        metrics = {**metrics, "student": _fit_student(training, encoded, progress, description)}
    if "subgoal" in training.parts:
        metrics = {**metrics, "subgoals": _fit_subgoal(training, encoded, progress, description)}
    if "recorded" in training.parts:
        metrics = {**metrics, "recorded": _keep_recorded(training, encoded, description)}
    if "ranking" in training.parts:
        metrics = {**metrics, "ranking": _fit_ranking(training, progress)}
    if "decoder" in training.parts:
        errors = _fit_decoder(training, encoded, progress, description)
        metrics = {**metrics, "pictures": errors}
    return metrics


def _teller(progress: Progress, what: str, steps: int) -> OnStep:
    """What a training of `steps` calls after each, to tell how far it is."""
    return lambda step: progress(what, step, steps)


def _fit_student(
    training: HeadsTraining, encoded: _Encoded, progress: Progress, description: dict[str, Any]
) -> dict[str, Any]:
    """Trains the student, writes its files and returns its report, see `student_errors`."""
    config, model = training.student, encoded.model
    on_step = _teller(progress, "student", config.steps)
    student, _ = train_student(model, encoded.latents[0], config, training.seed, on_step)
    errors = student_errors(model, student, encoded.latents[1], config, HELD_OUT_PAIRS)
    told = {**description, "metrics": errors}
    save_student(student, config, training.files["student"], encoded.weights_sha256, told)
    return errors


def _fit_subgoal(
    training: HeadsTraining, encoded: _Encoded, progress: Progress, description: dict[str, Any]
) -> dict[str, Any]:
    """Trains the sub-goals, writes their files and returns their report, see `subgoal_errors`."""
    config, skip = training.subgoal, encoded.model.config.frameskip
    on_step = _teller(progress, "sub-goals", config.steps)
    head, _ = train_subgoal(encoded.latents[0], config, skip, training.seed, on_step)
    errors = subgoal_errors(head, encoded.latents[1], HELD_OUT_PAIRS)
    save_subgoal(head, training.files["subgoal"], encoded.weights_sha256, {**description, "metrics": errors})
    return errors


def _keep_recorded(training: HeadsTraining, encoded: _Encoded, description: dict[str, Any]) -> dict[str, Any]:
    """Writes the ways of the episodes to learn from, and returns what they are worth on the others."""
    found = recorded_ways(encoded.latents[0], encoded.model, training.recorded)
    errors = subgoal_errors(found, encoded.latents[1], LOOKED_UP)
    save_recorded(found, training.files["recorded"], encoded.weights_sha256, {**description, "metrics": errors})
    return errors


def _fit_ranking(training: HeadsTraining, progress: Progress) -> dict[str, Any]:
    """Trains the ranking on the pools, writes its files and returns its report, see `ranking_report`."""
    sha256 = str(load_checkpoint(training.checkpoint)[1]["weights_sha256"])
    pools = joined([load_pools(path, sha256) for path in training.pools])
    numbers = pools.episodes.unique()
    fitting, held_out = split_episodes(len(numbers), training.validation, training.seed)
    known, unseen = (pools.of(torch.isin(pools.episodes, numbers[share])) for share in (fitting, held_out))
    config = training.ranking
    head, _ = train_ranking(known, config, training.seed, _teller(progress, "ranking", config.steps))
    metrics = ranking_report(head, unseen)
    about = {"pools": len(pools), "episodes": len(numbers)}
    told = {**training.description, "dataset": about, "seed": training.seed, "metrics": metrics}
    training.out.parent.mkdir(parents=True, exist_ok=True)
    save_ranking(head, training.files["ranking"], sha256, told)
    return metrics


def _fit_decoder(
    training: HeadsTraining, encoded: _Encoded, progress: Progress, description: dict[str, Any]
) -> dict[str, Any]:
    """Trains the decoder, writes its files and returns its report, see `picture_errors`."""
    config, model = training.decoder, encoded.model
    on_step = _teller(progress, "decoder", config.steps)
    (latents, others), side = encoded.latents, model.config.resolution
    decoder, _ = train_decoder(latents, encoded.frames(0), side, config, training.seed, on_step)
    errors = picture_errors(model, decoder, others, encoded.frames(1))
    path, told = training.files["decoder"], {**description, "metrics": errors}
    save_decoder(decoder, path, encoded.weights_sha256, told)
    return errors


def _encode(training: HeadsTraining, progress: Progress) -> _Encoded:
    """The model and the data, checked against each other, and the latents; raises as `train_heads`."""
    model, document = load_checkpoint(training.checkpoint)
    learned = document.get("dataset", {}).get("chosen", {})
    chosen: dict[str, Any] = {
        "camera_key": _camera(training.data, document),
        "action_key": training.action_key or learned.get("action_key"),
        "state_key": training.state_key or learned.get("state_key"),
        "episodes": training.episodes,
        "exclude": training.exclude,
    }
    if model.config.encoder == "sensors":
        if "decoder" in training.parts:
            raise InputError("parts=[decoder]: this model sees sensors, so there are no pictures to draw: leave it out")
        cache = _streams(training, document, chosen)
    else:
        cache = _frames(training, model, document, chosen, progress)
    period = document.get("control_period")
    # Frame rates are whole numbers, so a period that is none may have been rounded.
    if period is not None and abs(period * cache.fps - 1.0) > 0.03:
        raise DatasetError(
            f"{training.data}: has one command every {1e3 / cache.fps:.4g} ms, but checkpoint "
            f"'{training.checkpoint}' was trained on one every {1e3 * period:.4g} ms: give data of that rate, "
            "or train a world model on these"
        )
    cache = with_differences(cache, model.absolute is not None, np.arange(cache.episodes))
    fitting, held_out = split_episodes(cache.episodes, training.validation, training.seed)
    if (backbone := model.backbone) is not None:
        cache = with_features(
            cache, backbone.identity(), backbone.shape, model.features, lambda done, of: progress("backbone", done, of)
        )
    fitted, tests = (
        encode_episodes(model, cache, episodes, lambda done, of: progress("encoding frames", done, of))
        for episodes in (fitting, held_out)
    )
    return _Encoded(model, str(document["weights_sha256"]), cache, (fitting, held_out), (fitted, tests))


def _streams(training: HeadsTraining, document: dict[str, Any], chosen: dict[str, Any]) -> FrameCache:
    """The moments of a model of sensors."""
    del chosen["camera_key"]
    streams = read_streams(training.data, **chosen)
    streams.check_like(**document["sensors"], made=f"checkpoint '{training.checkpoint}'")
    return streams.cache(training.cache_dir)


def _frames(
    training: HeadsTraining, model: JEPA, document: dict[str, Any], chosen: dict[str, Any], progress: Progress
) -> FrameCache:
    """The decoded frames of any other."""
    data = read_dataset(training.data, **chosen, memory=memory_of(training.data, training.cache_dir))
    if not data.columns.get(ACTION_KEY):
        raise DatasetError(
            f"{training.data}: has no actions that are clearly such; {advice(data.info['features'], ACTION_KEY)}"
        )
    cache = open_cache(
        training.data,
        model.config.resolution,
        training.cache_dir,
        progress=lambda done, of: progress("decoding frames", done, of),
        **chosen,
    )
    if cache.camera_key != document.get("camera"):
        raise DatasetError(
            f"{training.data}: was filmed by {cache.camera_key}, but checkpoint '{training.checkpoint}' was trained on "
            f"{document.get('camera')}"
        )
    return cache


def _camera(data: Path, document: dict[str, Any]) -> str | None:
    """The camera that the model was trained with, where the data have it; else whichever is the only one."""
    try:
        features = read_json(data / INFO_PATH)["features"]
    except (DatasetError, KeyError):
        return None  # told when the data are opened
    camera = document.get("camera")
    if camera is None:
        return None
    there = camera in features or all(each in features for each in cameras_of(str(camera)))
    return str(camera) if there else None


def fit_heads(
    data: Trajectories,
    held_out: Trajectories,
    prior: PriorConfig,
    distance: DistanceConfig,
    seed: int = 0,
    progress: Progress = lambda what, done, of: None,
    stride: int = 1,
) -> tuple[Heads, dict[str, Any]]:
    """The heads fitted to `data`, and their report on `held_out`, see `report`.

    `stride`: control steps in which slow features change little.
    """
    on_step = partial(_teller, progress)
    trained_distance, _ = train_distance(data, distance, seed, on_step("distance", distance.steps), stride)
    trained_prior, _ = train_prior(data, prior, seed, on_step("action prior", prior.steps), trained_distance, stride)
    covariance = torch.cov(data.latents.double().T).float()
    heads = Heads(trained_prior, trained_distance, data.latents.double().mean(0).float(), covariance)
    return heads, report(heads.prior, heads.distance, data, held_out)


@torch.no_grad()
def report(prior: ActionPrior, distance: Distance, data: Trajectories, held_out: Trajectories) -> dict[str, Any]:
    """What the heads are worth on episodes that they were not trained on.

    `prior_nats`: negative log-likelihood of one dimension of a command; `marginal_nats`: that of a Gaussian that knows
    no latents, fitted to `data`. `distance_ordered`: the share of cases in which, of two moments of an episode, the one
    that came later is judged further away; `latent_ordered`: the same for the plain distance between latents.
    """
    draw = Generator().manual_seed(0)
    rows, ahead = prior.pairs(held_out, HELD_OUT_PAIRS, draw)
    own, others = (d.actions[d.left > 0] for d in (data, held_out))
    mean, std = own.mean(0), own.std(0).clamp_min(prior.config.least_std)
    marginal = -torch.distributions.Normal(mean, std).log_prob(others).mean()
    return {
        "prior_nats": round(float(prior_loss(prior, held_out, rows, ahead)), 4),
        "marginal_nats": round(float(marginal), 4),
        "distance_ordered": round(ordered(distance, held_out, distance.config.farthest), 4),
        "latent_ordered": round(ordered(lambda a, b: (a - b).norm(dim=-1), held_out, distance.config.farthest), 4),
    }


def ordered(distance: Callable[[Tensor, Tensor], Tensor], data: Trajectories, farthest: int) -> float:
    """Share of pairs of later moments of an episode that a distance puts into the order in which they came."""
    draw = Generator().manual_seed(1)
    rows, ahead = data.pairs(HELD_OUT_PAIRS, farthest, draw)
    room = data.left[rows].clamp(max=farthest)
    other = 1 + (torch.rand(len(rows), generator=draw) * room).long().clamp(max=room - 1)
    differ = other != ahead
    rows, ahead, other = rows[differ], ahead[differ], other[differ]
    here = data.latents[rows]
    difference = distance(here, data.latents[rows + ahead]) - distance(here, data.latents[rows + other])
    return float((difference * (ahead - other) > 0).double().mean())

"""What in an episodes table contradicts itself: lengths, rows and times that do not go together."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from forearm.world_model.data.entries import NONE, Entries, EpisodeEntry
from forearm.world_model.data.episode_rows import MOST

TOLERANCE = 0.5
"""Share of a frame's period by which a time in the table may be off: rounding is far below, another frame at it."""


def is_odd(entries: Entries, fps: float) -> bool:
    """Whether something may contradict itself, told at once for all; which it is, takes longer to say."""
    first, end, start, stop = entries.first_row, entries.end_row, entries.video_start, entries.video_end
    said, films = (first != NONE) & (end != NONE), entries.video != NONE
    times = (start > -TOLERANCE / fps) & (start <= MOST) & (stop > -TOLERANCE / fps) & (stop <= MOST)  # not of NaN
    if (said & (end - first != entries.length)).any() or (films & ~times).any():
        return True
    if (abs((stop - start) * fps - entries.length)[films] >= TOLERANCE - 1e-6).any():
        return True
    order = np.lexsort((entries.episode[said], first[said]))
    if (first[said][order][1:] < end[said][order][:-1]).any():
        return True
    order = np.flatnonzero(films)[np.lexsort((entries.episode[films], start[films], entries.video[films]))]
    same = np.diff(entries.video[order]) == 0
    overlaps = (stop[order][:-1] - start[order][1:]) * fps >= TOLERANCE - 1e-6
    both = (first[order][:-1] != NONE) & (first[order][1:] != NONE)
    return bool((same & (overlaps | (both & (np.diff(first[order]) < 0)))).any())


def contradictions(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    """Lengths, rows and times of video that do not go together; a sentence each that names an episode."""
    return _lengths(folder, entries, fps) + _rows(folder, entries) + _intervals(folder, entries, fps)


def numbering(folder: Path, entries: Entries) -> list[str]:
    """Indices that LeRobot, which counts rows of the table, would take for those of other episodes."""
    for row in np.flatnonzero(entries.episode != np.arange(len(entries)))[:1]:
        return [
            f"{folder}: row {row} is episode {entries.episode[row]}, expected episode {row}; LeRobot counts the rows "
            "and reads another episode there"
        ]
    return []


def _lengths(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    found = []
    for entry in entries:
        where = f"{folder}: episode {entry.index}"
        if entry.first_row is not None and entry.end_row is not None:
            rows = entry.end_row - entry.first_row
            if rows != entry.length:
                found.append(
                    f"{where}: dataset_to_index - dataset_from_index is {rows}, expected its length, {entry.length}"
                )
        if entry.video is None:
            continue
        wrong = {"from": entry.video_start, "to": entry.video_end}
        wrong = {key: value for key, value in wrong.items() if not -TOLERANCE / fps < value <= MOST}  # NaN too
        found += [
            f"{where}: {key}_timestamp in {_short(entry.video)} is {value:.6g}, expected seconds of at least 0"
            for key, value in wrong.items()
        ]
        frames = (entry.video_end - entry.video_start) * fps
        if not wrong and abs(frames - entry.length) >= TOLERANCE - 1e-6:
            found.append(
                f"{where}: to_timestamp - from_timestamp in {_short(entry.video)} is {frames:.4g} frames, expected its "
                f"length, {entry.length}"
            )
    return found


def _rows(folder: Path, entries: Sequence[EpisodeEntry]) -> list[str]:
    """Episodes that claim the same rows."""
    known = [entry for entry in entries if entry.first_row is not None and entry.end_row is not None]
    known.sort(key=lambda entry: (entry.first_row, entry.index))
    return [
        f"{folder}: episode {after.index}: dataset_from_index is {after.first_row}, expected at least "
        f"{before.end_row}, where episode {before.index} ends"
        for before, after in pairwise(known)
        if after.first_row is not None and before.end_row is not None and after.first_row < before.end_row
    ]


def _intervals(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    """Episodes that lie on top of each other in a video, or in another order than their rows.

    Frames between two episodes that belong to neither are no contradiction: deleting an episode leaves them.
    """
    films: dict[Path, list[EpisodeEntry]] = {}
    for entry in entries:
        if entry.video is not None:
            films.setdefault(entry.video, []).append(entry)
    found = []
    for video, within in films.items():
        within.sort(key=lambda entry: (entry.video_start, entry.index))
        for before, after in pairwise(within):
            where = f"{folder}: episode {after.index}: from_timestamp in {_short(video)}"
            overlap = (before.video_end - after.video_start) * fps
            if overlap >= TOLERANCE - 1e-6:
                found.append(
                    f"{where} is {after.video_start:.6g} s, expected at least {before.video_end:.6g} s, where episode "
                    f"{before.index} ends: they overlap by {overlap:.3g} frames"
                )
            elif None not in (before.first_row, after.first_row) and (before.first_row or 0) > (after.first_row or 0):
                found.append(
                    f"{where} is {after.video_start:.6g} s, expected before episode {before.index} "
                    f"({before.video_start:.6g} s), after which its rows stand"
                )
    return found


def _short(video: Path) -> str:
    """Camera, folder and name of a video file."""
    return "/".join(video.parts[-3:])

#!/bin/bash
# PyAV before 17 converts every video to RGB with the BT.601 matrix, whatever matrix a frame says that it has.
#
# Where it bites: a BT.709 video, as ffmpeg, OBS and phones write it, shows other colours under PyAV 16 than under 17 (red
# 255, 0, 0 becomes 233, 0, 2). LeRobot 0.4 to 0.6 asks for PyAV below 16. Nor does `src_colorspace=` with full range
# help alone: these versions tell swscale nothing while source and target are the same.
# What to do: pass src_colorspace, src_color_range and another dst_colorspace than the source's, which gives the same
# bytes in 13 to 18; for BT.2020 at least PyAV 15.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps "$@"; }
pip numpy==2.2.6 imageio-ffmpeg==0.6.0
pip --target "$work/before" av==16.1.0
pip --target "$work/after" av==17.1.0
cat > "$work/read.py" <<'P'
import sys

import av
from av.video.reformatter import VideoReformatter

with av.open(sys.argv[1]) as container:
    frame = next(container.decode(video=0))
plain = VideoReformatter().reformat(frame, format="rgb24").to_ndarray()[32, 32]
told = VideoReformatter().reformat(
    frame, format="rgb24", src_colorspace=1, dst_colorspace=5, src_color_range=1, dst_color_range=2
).to_ndarray()[32, 32]
print(f"av {av.__version__}: matrix {int(frame.colorspace)} (1 is BT.709), red reads as {plain.tolist()}, told: {told.tolist()}")
right = [abs(int(colour[0]) - 255) <= 2 and max(colour[1:]) <= 2 for colour in (plain, told)]
sys.exit(right != [int(av.__version__.split(".")[0]) >= 17, True])
P
"$work/venv/bin/python" - "$work/film.mp4" <<'P'
import subprocess
import sys

import imageio_ffmpeg

red = bytes([255, 0, 0]) * 64 * 64
command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64"]
command += ["-r", "10", "-i", "-", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264"]
command += ["-pix_fmt", "yuv444p", "-qp", "0", "-colorspace", "bt709", "-color_range", "tv", sys.argv[1]]
subprocess.run(command, input=red * 3, check=True)
P
PYTHONPATH="$work/before" "$work/venv/bin/python" "$work/read.py" "$work/film.mp4"
PYTHONPATH="$work/after" "$work/venv/bin/python" "$work/read.py" "$work/film.mp4"
echo "as stated: right by itself from PyAV 17 on, right in both when told"

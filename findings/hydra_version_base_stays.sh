#!/usr/bin/env bash
# Hydra 1.3: `with initialize(version_base=...)` puts back the Hydra that was there, but not its version_base, nor the job.
#
# GlobalHydra is restored when the block ends, as a copy; the rules (`hydra.version`) and the job's name (JobRuntime) are
# those of the inner block from then on. A library that composes its own configs in such a block changes by which rules the
# program around it composes: `.yml` files and 'optional' as of Hydra 1.1 are no longer found. While another Hydra is
# initialised, the block raises unless the library clears it first, and then the program's is gone meanwhile.
# What to do: compose with a ConfigLoaderImpl of one's own, and put hydra.version back.
# Exits 0 while it is so, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for release in 1.3.0 1.3.8; do
    "$folder/venv/bin/pip" -q install --disable-pip-version-check --no-input "hydra-core==$release" omegaconf==2.3.1
    (cd "$folder" && "$folder/venv/bin/python" - "$release" <<'P'
import sys
import warnings
from pathlib import Path

import hydra
from hydra import compose, initialize_config_dir, version
from hydra.core.utils import JobRuntime

warnings.simplefilter("ignore")
assert hydra.__version__ == sys.argv[1]
here = Path("configs").absolute()
here.mkdir(exist_ok=True)
(here / "old.yml").write_text("a: 1\n")
with initialize_config_dir(str(here), job_name="host", version_base="1.1"):
    before = str(version.getbase()), JobRuntime.instance().get("name")
    found = compose("old.yml").a
    hydra.core.global_hydra.GlobalHydra.instance().clear()
    with initialize_config_dir(str(here), job_name="library", version_base="1.3"):
        pass
    after = str(version.getbase()), JobRuntime.instance().get("name")
print(f"hydra {hydra.__version__}: before {before}, after {after}")
sys.exit(not (found == 1 and before == ("1.1", "host") and after == ("1.3", "library")))
P
    )
done

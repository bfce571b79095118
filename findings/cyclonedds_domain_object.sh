#!/usr/bin/env bash
# cyclonedds 11.0.1 (Python): everything in a domain ends when the Domain object that configured it is forgotten.
#
# A participant, a topic, a reader and a writer do not keep the Domain object that was made before them. Once nothing
# else refers to it, the domain is deleted beneath them: taking from a reader that is still held fails, with a message
# that speaks of a precondition and not of a domain.
# What to do: keep the Domain for as long as anything in it is used.
# Exits 0 while it is so, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip -q install --disable-pip-version-check --no-deps --target "$folder/lib" cyclonedds==11.0.1
PYTHONPATH="$folder/lib" python3 - <<'P' || {
import gc
import sys
from dataclasses import dataclass
from importlib.metadata import version

from cyclonedds.core import DDSException
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

CONFIG = (
    '<CycloneDDS><Domain id="any"><General><Interfaces><NetworkInterface address="127.0.0.1" multicast="false"/>'
    "</Interfaces><AllowMulticast>false</AllowMulticast></General></Domain></CycloneDDS>"
)


@dataclass
class Number(IdlStruct, typename="Number"):
    value: int


def reader(keep: list) -> DataReader:
    domain = Domain(61, CONFIG)
    keep.append(domain)
    participant = DomainParticipant(61)
    return DataReader(participant, Topic(participant, "numbers", Number))


kept: list = []
held = reader(kept)
print(f"cyclonedds {version('cyclonedds')}, Domain kept: taken {held.take(10)}")
del kept, held
gc.collect()
forgotten = reader([])
gc.collect()
try:
    found = f"taken {forgotten.take(10)}"
except DDSException as error:
    found = f"{type(error).__name__}: {str(error).partition(']')[0]}]"
print(f"Domain forgotten, reader held: {found}")
sys.exit(not ("DDS_RETCODE_PRECONDITION_NOT_MET" in found or "ALREADY_DELETED" in found))
P
    echo "cyclonedds 11.0.1 no longer behaves as stated"
    exit 1
}

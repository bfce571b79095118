"""How much memory a process holds."""

from pathlib import Path


def process_memory(pid: int | str = "self") -> float:
    """Resident memory of a process in MB; NaN where the system does not say."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return float(line.split()[1]) / 1024
    except OSError:
        pass
    return float("nan")

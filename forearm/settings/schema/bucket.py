"""Settings of folders at addresses such as s3://bucket/data."""

from dataclasses import dataclass

from forearm.common import checks
from forearm.common.twins import DEFAULT_GB


@dataclass
class BucketConfig:
    """What lies at addresses and is kept on this disk while it is used.

    Attributes:
        cache_gb: how large the files of all addresses together may grow on this disk, in GB; what was not used for
            longest goes.
    """

    cache_gb: float = checks.setting(DEFAULT_GB, checks.real, above=0.0)

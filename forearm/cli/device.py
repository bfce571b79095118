"""The setting `device`, checked before anything is put there."""

from forearm.settings.compose import Settings


def device_of(chosen: Settings) -> str:
    """The torch device that the settings name; raises `DeviceError` for one that is not here."""
    from forearm.world_model.device import choose

    return str(choose(chosen["device"]))

"""Errors a caller can act on; a message names the thing, its value and what is accepted."""


class AutrackError(Exception):
    """Base of every error this package raises on purpose."""


class InvalidBoxError(AutrackError, ValueError):
    """A target box that cannot be tracked: not finite, too small, or outside the image."""


class InvalidImageError(AutrackError, ValueError):
    """An array that is not an HxWx3 uint8 BGR image."""


class ConfigurationError(AutrackError, ValueError):
    """A setting outside its accepted values."""


class CheckpointError(AutrackError):
    """A weights file that is missing, damaged, or made for another model."""


class DeviceError(AutrackError):
    """A compute device that does not exist on this machine."""

from enum import IntEnum
from typing import Any

class ReliabilityPolicy(IntEnum):
    RELIABLE = ...
    BEST_EFFORT = ...

class DurabilityPolicy(IntEnum):
    TRANSIENT_LOCAL = ...
    VOLATILE = ...

QoSReliabilityPolicy = ReliabilityPolicy
QoSDurabilityPolicy = DurabilityPolicy

class QoSProfile:
    def __init__(self, **kwargs: Any) -> None: ...
    depth: int
    durability: DurabilityPolicy
    reliability: ReliabilityPolicy

qos_profile_sensor_data: QoSProfile

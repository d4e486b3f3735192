from enum import Enum

class SignalHandlerOptions(Enum):
    NO = ...

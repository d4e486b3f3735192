from collections.abc import Callable
from typing import Any

class Service:
    srv_type: Any
    callback: Callable[..., Any]

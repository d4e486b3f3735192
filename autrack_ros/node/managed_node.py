"""A lifecycle node that can start itself, and that no request for a transition can end."""

from __future__ import annotations

from collections.abc import Callable

import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from autrack_ros.node.problems import Problems, described


class ManagedNode(LifecycleNode):
    """Answers every request for a transition, also for one that its state does not allow.

    The rclpy of Humble and Jazzy lets such a request end the program: its error comes out of the
    executor. Newer ones refuse it, but do not say what is possible.

    Args:
        name: of the node.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._problems = Problems(self.get_logger())
        self._fault: Exception | None = None  # that keeps the program from starting
        service = next(each for each in self.services if each.srv_type is ChangeState)
        self._change_state = service.callback
        service.callback = self._on_change_state

    def spin(self, autostart: bool) -> None:
        """Work until the program is told to end.

        Args:
            autostart: configure and activate before; no manager is needed.

        Raises:
            Exception: with ``autostart``, what kept it from becoming active.
        """
        if autostart:
            for trigger in (self.trigger_configure, self.trigger_activate):
                trigger()
                if self._fault is not None:
                    raise self._fault
        rclpy.spin(self)

    def _attempt(self, what: str, act: Callable[[], None]) -> TransitionCallbackReturn:
        """Do what a transition does, and tell of a fault: rclpy would swallow it.

        Args:
            what: the node is afterwards, such as "configured".
            act: does it.
        """
        try:
            act()
        except Exception as error:
            if self.executor is None:  # at the start: ``spin`` raises it
                self._fault = error
            else:
                self._problems.error(f"not {what}: {described(error)}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        wanted = request.transition
        possible = [(id_, label) for id_, label, *_ in self._state_machine.available_transitions]
        if any(
            label == wanted.label if wanted.label else id_ == wanted.id for id_, label in possible
        ):
            return self._change_state(request, response)
        _, state = self._state_machine.current_state
        accepted = ", ".join(f"{label} ({id_})" for id_, label in possible) or "none"
        self._problems.warning(
            f"{self.resolve_service_name('~/change_state')}: transition "
            f"{wanted.label or wanted.id} is refused, the node is {state}: accepted are {accepted}"
        )
        response.success = False
        return response

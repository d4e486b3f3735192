from rclpy.qos import QoSProfile

class Subscription:
    qos_profile: QoSProfile
    @property
    def topic_name(self) -> str: ...

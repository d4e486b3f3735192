"""The table of parameters and the file that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("yaml")

import rclpy
import yaml
from rclpy.context import Context
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from autrack_ros.node.parameters import PARAMETERS, Settings, declare_parameters
from autrack_ros.tracking import (
    AdaptationSettings,
    ConfigurationError,
    PresenceSettings,
    load_tracker,
)

CONFIG = Path(__file__).resolve().parents[2] / "config" / "tracker.yaml"


@pytest.fixture
def context() -> Iterator[Context]:
    made = Context()
    rclpy.init(context=made)
    yield made
    rclpy.try_shutdown(context=made)


def make_node(context: Context, **overrides: Any) -> Node:
    values = [Parameter(name, value=value) for name, value in overrides.items()]
    return Node("parameters", context=context, parameter_overrides=values)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def test_the_configuration_file_shows_every_parameter_at_its_default() -> None:
    (parameters,) = yaml.safe_load(CONFIG.read_text()).values()
    shown = flat(parameters["ros__parameters"])
    expected = {row.name: row.default for row in PARAMETERS}
    assert shown == expected
    # 8 and 8.0 are equal here, but not to ROS
    assert {k: type(v) for k, v in shown.items()} == {k: type(v) for k, v in expected.items()}


@pytest.mark.parametrize(
    ("prefix", "kind"), [("adaptation", AdaptationSettings), ("presence", PresenceSettings)]
)
def test_every_setting_of_the_tracker_is_a_parameter(prefix: str, kind: type) -> None:
    names = {row.name for row in PARAMETERS}
    assert {f"{prefix}.{field.name}" for field in fields(kind)} <= names


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row.name)
def test_descriptors_carry_description_range_and_choices(row: Any) -> None:
    descriptor = row.descriptor
    assert descriptor.description.startswith(row.description)
    assert f"[{row.unit}]" in descriptor.description or not row.unit
    ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
    assert [(r.from_value, r.to_value) for r in ranges] == ([row.range] if row.range else [])
    assert all(choice in descriptor.additional_constraints for choice in row.choices)
    assert descriptor.read_only == row.read_only


def test_defaults_are_those_of_the_tracker(context: Context) -> None:
    node = make_node(context)
    settings = declare_parameters(node, print)
    assert settings.adaptation == AdaptationSettings()
    assert settings.presence == PresenceSettings()
    for name in ("preset", "device", "runtime", "precision"):
        assert node.get_parameter(name).value == signature(load_tracker).parameters[name].default


def test_values_given_at_the_start_are_read(context: Context) -> None:
    given = {"adaptation.steps": 5, "presence.lost_frames": 7, "image_buffer.tolerance": 0.5}
    settings = declare_parameters(make_node(context, **given), print)
    assert settings.adaptation.steps == 5
    assert settings.presence.lost_frames == 7
    assert settings.tolerance_ns == 500_000_000


@pytest.mark.parametrize(
    ("name", "value", "error", "named"),
    [
        ("adaptation.method", "sgd", ConfigurationError, "method='sgd'.*bim"),
        ("adaptation.epsilon", 0.0, ConfigurationError, "epsilon=0.0.*above 0"),
        ("adaptation.steps", -1, InvalidParameterValueException, "steps out of range.*-1"),
        ("presence.lost_score", 2.0, InvalidParameterValueException, "lost_score.*out of range"),
        (
            "presence.lost_score",
            0.9,
            ConfigurationError,
            "lost_score 0.9.*none below",
        ),
        ("adaptation.epsilon", 8, InvalidParameterTypeException, "epsilon.*INTEGER.*DOUBLE"),
    ],
)
def test_wrong_values_at_the_start_raise_with_name_and_value(
    context: Context, name: str, value: Any, error: type[Exception], named: str
) -> None:
    node = make_node(context, **{name: value})
    with pytest.raises(error, match=named):
        declare_parameters(node, print)


def test_changes_are_refused_or_taken_together(context: Context) -> None:
    node = make_node(context)
    taken: list[Settings] = []
    declare_parameters(node, taken.append)
    result = node.set_parameters_atomically(
        [Parameter("adaptation.steps", value=3), Parameter("adaptation.loss", value="l1")]
    )
    assert not result.successful
    assert "loss='l1'" in result.reason
    assert taken == []
    assert node.set_parameters([Parameter("adaptation.steps", value=3)])[0].successful
    assert [settings.adaptation.steps for settings in taken] == [3]
    assert node.get_parameter("adaptation.loss").value == AdaptationSettings().loss

"""The RViz configuration: topics, qualities of service, docks."""

from __future__ import annotations

from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="RViz's configuration is YAML")

FILE = Path(__file__).parents[2] / "config" / "tracker.rviz"
# What the node reads and publishes that RViz can show, relative to its namespace.
TOPICS = {
    "image": "Camera",
    "tracker/overlay": "Image",
    "tracker/response_heatmap": "Image",
    "tracker/template": "Image",
    "tracker/markers": "MarkerArray",
}


@pytest.fixture(scope="module")
def config() -> dict:
    if not FILE.is_file():
        pytest.skip("no config folder beside the tests")
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def displays(config: dict) -> dict[str, dict]:
    return {display["Name"]: display for display in config["Visualization Manager"]["Displays"]}


def test_displays_show_the_topics_of_the_node_and_no_others(displays: dict[str, dict]) -> None:
    shown = {
        display["Topic"]["Value"]: display["Class"].removeprefix("rviz_default_plugins/")
        for display in displays.values()
        if "Topic" in display
    }
    assert shown == TOPICS


def test_late_rviz_gets_the_latched_template_and_images_of_any_quality(
    displays: dict[str, dict],
) -> None:
    qualities = {
        display["Topic"]["Value"]: (
            display["Topic"]["Reliability Policy"],
            display["Topic"]["Durability Policy"],
        )
        for display in displays.values()
        if "Topic" in display
    }
    assert qualities.pop("tracker/template") == ("Reliable", "Transient Local")
    assert qualities.pop("image") == ("Best Effort", "Volatile")
    assert set(qualities.values()) == {("Reliable", "Volatile")}


def test_every_picture_and_panel_has_its_place_in_the_saved_layout(
    config: dict, displays: dict[str, dict]
) -> None:
    pictures = {
        name
        for name, display in displays.items()
        if display["Class"].endswith(("/Image", "/Camera"))
    }
    panels = {panel["Name"] for panel in config["Panels"]}
    geometry = config["Window Geometry"]
    assert {name for name in geometry if isinstance(geometry[name], dict)} == pictures | panels
    state = bytes.fromhex(geometry["QMainWindow State"])
    for name in pictures | panels:  # Qt writes names in UTF-16
        assert name.encode("utf-16-be") in state


def test_camera_shows_only_displays_that_exist(displays: dict[str, dict]) -> None:
    visible = set(displays["Camera"]["Visibility"]) - {"Value"}
    assert visible == {"Grid", "Camera's axes", "Markers"} <= set(displays)

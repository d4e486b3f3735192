"""``autrack evaluate-bags``: many bags as one run, taken up again, compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("matplotlib", reason="the plots need matplotlib")


from bag_clips import FRAMES, make_sequence, truth_boxes
from result_files import files_of
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation.bags.boxes import ABSENT, UNKNOWN
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.many import find_bags
from autrack_ros.evaluation.bags.reading import Bag
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import SourceError

ROOT = Path(__file__).parents[2]
EXAMPLE = ("--tracker", "examples.template_matching:TemplateMatching", "--threads", 1)
TOPICS = ("--image-topic", "/image", "--truth-topic", "/truth")
NAMES = ["east_one", "east_two", "west"]
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("threads_as_before")


@pytest.fixture(scope="module")
def drives(tmp_path_factory) -> Path:
    """Three bags, two of them in a folder of their own; not to be changed."""
    folder = tmp_path_factory.mktemp("bags")
    frames, truth = open_clip(str(make_sequence(folder / "square")))
    for place in ("east/one", "east/two", "west"):
        (folder / "drives" / place).parent.mkdir(parents=True, exist_ok=True)
        list(make_bag(frames, truth, folder / "drives" / place, fps=10))
    return folder / "drives"


def evaluate_bags(*arguments: object):
    return runner.invoke(app, ["evaluate-bags", *map(str, arguments)])


@pytest.fixture(scope="module")
def run(drives, tmp_path_factory) -> Path:
    """Not to be changed."""
    output = tmp_path_factory.mktemp("runs") / "first"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        done = evaluate_bags(drives, *TOPICS, *EXAMPLE, "--output", output)
    assert done.exit_code == 0, done.output
    for name in NAMES:
        assert name in done.stdout
    return output


def comparable(folder: Path) -> dict[str, bytes]:
    """What two runs must have in common: all but times, which the overview shows too."""
    return {
        name: data
        for name, data in files_of(folder).items()
        if "timing.json" not in name and name != "report.html"
    }


def test_every_bag_has_its_numbers_and_its_report(run):
    told = json.loads((run / "summary.json").read_text())
    assert list(told["sequences"]) == NAMES
    for name in NAMES:
        assert told["sequences"][name]["ao"] > 0.9
        own = json.loads((run / "bags" / name / "metrics.json").read_text())
        assert own["complete"]
        assert own["runs"]["offline"]["scores"] == told["sequences"][name]
        assert (run / "bags" / name / "report.html").is_file()
        np.testing.assert_allclose(
            read_boxes(run / "boxes" / f"{name}.txt"),
            read_boxes(run / "bags" / name / "offline" / "boxes.txt"),
            atol=1e-3,
        )
    assert told["long_term"]["frames"] == 3 * (FRAMES - 1)


def test_jobs_and_an_interruption_change_no_file(run, drives, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    again = tmp_path / "again"
    shutil.copytree(run, again)
    # As a run leaves it that was killed in its second bag.
    for name in NAMES[1:]:
        (again / "metrics" / f"{name}.json").unlink()
        shutil.rmtree(again / "bags" / name)
    (again / "bags" / NAMES[1]).mkdir()
    (again / "bags" / NAMES[1] / "metrics.json").write_text('{"complete": false}')
    (again / "summary.json").unlink()
    kept = (again / "bags" / NAMES[0] / "report.html").stat().st_mtime_ns
    done = evaluate_bags(drives, *TOPICS, *EXAMPLE, "--output", again, "--jobs", 2)
    assert done.exit_code == 0, done.output
    assert "1 of 3 sequences were done before" in done.stderr
    assert (again / "bags" / NAMES[0] / "report.html").stat().st_mtime_ns == kept
    assert comparable(again) == comparable(run)


def test_two_runs_are_compared(run, drives, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    other = tmp_path / "other"
    shutil.copytree(run, other)
    compared = runner.invoke(app, ["compare", str(run), str(other), "--json", "-"])
    assert compared.exit_code == 0, compared.output
    told = json.loads(compared.stdout)
    assert list(told["sequences"]) == NAMES
    assert told["differences"]["other"]["auc"]["mean"] == 0
    pictures = ("--dataset", str(drives), "--output", str(tmp_path / "comparison"))
    refused = runner.invoke(app, ["compare", str(run), str(other), *pictures])
    assert refused.exit_code == 2
    assert "the runs are of bags" in refused.stderr


def test_a_bag_that_cannot_be_read_fails_alone_and_a_changed_one_is_done_again(
    drives, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    shutil.copytree(drives, tmp_path / "drives")
    damaged = tmp_path / "drives" / "west" / "west.db3"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    command = (tmp_path / "drives", *TOPICS, *EXAMPLE, "--output", tmp_path / "run")
    done = evaluate_bags(*command)
    assert done.exit_code == 1
    assert "1 of 3 sequences failed, the others count:\nwest: " in done.stderr
    assert list(json.loads((tmp_path / "run" / "summary.json").read_text())["sequences"]) == [
        *NAMES[:2]
    ]
    damaged.write_bytes(whole)
    with (tmp_path / "drives" / "east" / "one" / "metadata.yaml").open("a") as file:
        file.write("\n")
    done = evaluate_bags(*command)
    assert done.exit_code == 0, done.output
    assert "1 of 3 sequences were done before" in done.stderr


def test_images_before_the_start_and_those_not_annotated_do_not_count(
    drives, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    boxes = truth_boxes()
    boxes[0], boxes[5], boxes[7] = ABSENT, UNKNOWN, ABSENT
    with Bag(drives / "west") as bag, BagWriter(tmp_path / "bags" / "gaps") as writer:
        for topic, kind in bag.topics.items():
            writer.add_topic(topic, kind)
            for index, (received_ns, message) in enumerate(bag.messages(topic)):
                if topic == "/truth" and index == 5:
                    continue
                if topic == "/truth":
                    x, y, w, h = boxes[index]
                    message.x, message.y, message.width, message.height = x, y, w, h
                writer.write_message(topic, received_ns, message)
    done = evaluate_bags(tmp_path / "bags", *TOPICS, *EXAMPLE, "--output", tmp_path / "run")
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "run" / "frames" / "gaps.csv").read_text().splitlines()[1:]
    targets = [line.split(",")[-1] for line in lines]
    assert targets == ["present"] * 4 + ["unknown", "present", "absent"] + ["present"] * 4
    told = json.loads((tmp_path / "run" / "summary.json").read_text())["long_term"]
    assert (told["frames"], told["absent"], told["returns"]) == (9, 1, 1)
    own = json.loads((tmp_path / "run" / "bags" / "gaps" / "metrics.json").read_text())
    of_bag = own["runs"]["offline"]["long_term"]
    assert {name: told[name] for name in of_bag} == of_bag


def test_bags_are_found_below_a_folder_or_by_a_pattern(drives, tmp_path):
    assert list(find_bags(str(drives))) == NAMES
    assert list(find_bags(f"{drives}/east/*")) == ["one", "two"]
    assert list(find_bags(str(drives / "west"))) == ["west"]
    with pytest.raises(SourceError, match="no bag; accepted: a folder of bags"):
        find_bags(str(tmp_path))
    shutil.copytree(drives / "west", tmp_path / "a" / "west")
    shutil.copytree(drives / "west", tmp_path / "b" / "west")
    with pytest.raises(SourceError, match="several bags are named west"):
        find_bags(f"{tmp_path}/*/west")


def test_the_start_must_be_told(drives, tmp_path):
    done = evaluate_bags(drives, "--image-topic", "/image", "--output", tmp_path / "run")
    assert done.exit_code == 2
    assert "--truth-topic" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_worst_moments_come_first_with_pictures_and_lead_to_their_bag(
    run, drives, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    boxes = truth_boxes()
    boxes[4:7] = (80, 60, 20, 20)  # where the square is not
    boxes[9] = ABSENT
    with Bag(drives / "west") as bag, BagWriter(tmp_path / "bags" / "parted") as writer:
        for topic, kind in bag.topics.items():
            writer.add_topic(topic, kind)
            for index, (received_ns, message) in enumerate(bag.messages(topic)):
                if topic == "/truth":
                    message.x, message.y, message.width, message.height = boxes[index]
                writer.write_message(topic, received_ns, message)
    shutil.copytree(drives / "west", tmp_path / "bags" / "west")
    done = evaluate_bags(tmp_path / "bags", *TOPICS, *EXAMPLE, "--output", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "report.html" in done.stderr
    told = json.loads((tmp_path / "run" / "moments.json").read_text())["moments"]
    assert [(m["sequence"], m["kind"], m["start"], m["end"]) for m in told] == [
        ("parted", "on a wrong thing", 4, 6),
        ("parted", "on a wrong thing", 9, 9),
    ]
    assert told[0]["from"] == "1.400000000"
    report = (tmp_path / "run" / "report.html").read_text()
    assert "<h3>On a wrong thing: 2</h3>" in report
    worst = report.index("Images 5 to 7, from 0.4 s on")
    assert worst < report.index("Image 10, from 0.9 s on") < report.index("<h2>Bags</h2>")
    link = '<a href="bags/parted/report.html">'
    assert report[: report.index("<h2>Bags</h2>")].partition("<h3>Slow")[0].count(link) == 2
    assert report[report.index("<h2>Bags</h2>") :].count(link) == 1
    assert (tmp_path / "run" / "bags" / "parted" / "report.html").is_file()
    assert report.count("data:image/jpeg;base64,") >= 2 * 3
    assert report.index(">parted</a></td>") < report.index(">west</a></td>")  # the worst first
    assert json.loads((run / "moments.json").read_text()) == {"moments": []}


def test_attributes_are_in_every_report(run):
    told = json.loads((run / "summary.json").read_text())["attributes"]
    assert list(told) == ["low resolution"]
    assert told["low resolution"]["sequences"] == len(NAMES)
    assert "By attribute" in (run / "report.html").read_text()
    own = json.loads((run / "bags" / NAMES[0] / "metrics.json").read_text())["runs"]["offline"]
    of_run = json.loads((run / "metrics" / f"{NAMES[0]}.json").read_text())
    assert own["attributes"] == of_run["attributes"]
    assert "by attribute" in (run / "bags" / NAMES[0] / "report.html").read_text()

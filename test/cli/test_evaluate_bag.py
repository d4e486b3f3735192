"""``autrack evaluate-bag``: repeatable results, and errors that keep what was tracked."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("matplotlib", reason="the plots need matplotlib")


pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from bag_clips import FRAMES, SIZE, make_sequence, truth_boxes
from lively import lively_network
from rosbags.highlevel import AnyReader
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.cli.options import TrackerOptions
from autrack_ros.evaluation import metrics as metric
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.pictures import header, image_message, jpeg_message
from autrack_ros.evaluation.bags.reading import Bag, read_topic, stamp_ns
from autrack_ros.evaluation.bags.types import constants
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import read_boxes, write_boxes
from autrack_ros.messages.images import image_to_bgr
from autrack_ros.tracking import load_tracker
from autrack_ros.tracking.presence import TrackState

runner = CliRunner()
PRESET = "siamfcpp_tinyconv_vot"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(lively_network("siamfcpp_tinyconv").state_dict(), path)
    return path


def change(source: Path, target: Path, delay_ns: int = 0, truth_shift_s: int = 0) -> Path:
    """The same messages, recorded later, and those on /truth with other stamps."""
    with Bag(source) as bag, BagWriter(target) as writer:
        for topic, kind in bag.topics.items():
            writer.add_topic(topic, kind)
            for received_ns, message in bag.messages(topic):
                if topic == "/truth":
                    message.header.stamp.sec += truth_shift_s
                writer.write_message(topic, received_ns + delay_ns, message)
    return target


@pytest.fixture(scope="module")
def clip_bag(tmp_path_factory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("clip")
    frames, truth = open_clip(str(make_sequence(folder / "square")))
    list(make_bag(frames, truth, folder / "made", fps=10))
    return change(folder / "made", folder / "clip", delay_ns=123)


@pytest.fixture(scope="module")
def evaluate(weights):
    """Runs the command with a small network, which is loaded once."""
    tracker = load_tracker(PRESET, weights, runtime="torch")

    def load(options: TrackerOptions):
        tracker.adaptation = options.adaptation()
        return tracker

    def run(bag: Path, output: Path, *arguments: object):
        words = [
            "evaluate-bag", bag, "--output", output, "--preset", PRESET, "--checkpoint", weights,
            "--runtime", "torch", "--adapt-steps", 2, "--adapt-support-crops", 1, *arguments,
        ]  # fmt: skip
        if "--image-topic" not in words:
            words += ["--image-topic", "/image"]
        return runner.invoke(app, [str(word) for word in words])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrackerOptions, "load", load)
        yield run


@pytest.fixture(scope="module")
def result(evaluate, clip_bag, tmp_path_factory) -> Path:
    """Of the clip, with its truth; not to be changed."""
    output = tmp_path_factory.mktemp("results") / "result"
    done = evaluate(clip_bag, output, "--truth-topic", "/truth")
    assert done.exit_code == 0, done.output
    return output


def metrics(output: Path) -> dict:
    return json.loads((output / "metrics.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def assert_fails(done, *words: str, status: int = 1) -> None:
    assert done.exit_code == status, done.output
    assert isinstance(done.exception, SystemExit)
    for word in words:
        assert word in done.stderr


def test_all_results_are_written(result):
    assert sorted(contents(result)) == [
        "metrics.json",
        "offline/bag/bag.db3",
        "offline/bag/metadata.yaml",
        "offline/boxes.txt",
        "offline/tracks.csv",
        "plots/course.svg",
        "plots/precision.svg",
        "plots/success.svg",
        "report.html",
        "timing.json",
    ]
    told = metrics(result)
    assert told["complete"]
    assert told["bag"]["images"] == FRAMES
    assert told["truth"] == {"source": "/truth"}
    assert told["init"] == {"source": "/truth, stamp 1.000000000", "box": [20, 30, 24, 24]}
    assert len(told["settings"]["model_sha256"]) == 64
    run = told["runs"]["offline"]
    assert run["images"] == run["compared_images"] == FRAMES
    assert run["template_update"]["steps"] == 2
    boxes = read_boxes(result / "offline" / "boxes.txt")
    np.testing.assert_array_equal(boxes[0], truth_boxes()[0])
    assert len((result / "offline" / "tracks.csv").read_text().splitlines()) == FRAMES + 1
    assert "p50_ms" in json.loads((result / "timing.json").read_text())["offline"]


@pytest.mark.parametrize(("storage", "jpeg"), [("sqlite3", False), ("mcap", True)])
def test_two_runs_give_identical_files(evaluate, tmp_path, storage, jpeg):
    frames, truth = open_clip(str(make_sequence(tmp_path / "square")))
    list(make_bag(frames, truth, tmp_path / "clip", 10, storage, jpeg))
    topic = "/image/compressed" if jpeg else "/image"
    runs = []
    for name in ("first", "second"):
        done = evaluate(
            tmp_path / "clip", tmp_path / name, "--image-topic", topic, "--truth-topic", "/truth",
            "--storage", storage,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        runs.append(contents(tmp_path / name))
        runs[-1].pop("timing.json")
    assert len(runs[0]) == 9
    assert runs[0] == runs[1]


def test_an_earlier_result_is_replaced_and_anything_else_is_not(evaluate, clip_bag, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    done = evaluate(clip_bag, tmp_path / "mine", "--truth-topic", "/truth")
    assert_fails(done, "letter.txt", "choose another folder")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "mine"
    for _ in range(2):
        done = evaluate(clip_bag, tmp_path / "result", "--init", "20,30,24,24")
        assert done.exit_code == 0, done.output
    assert "scores" not in metrics(tmp_path / "result")["runs"]["offline"]
    (tmp_path / "result" / "note.txt").write_text("mine")
    done = evaluate(clip_bag, tmp_path / "result", "--init", "20,30,24,24")
    assert_fails(done, "note.txt", "choose another folder")
    assert metrics(tmp_path / "result")["complete"]


def test_the_bag_of_results_has_the_nodes_topics_with_the_stamps_of_the_images(result, clip_bag):
    image, track = "sensor_msgs/msg/Image", "autrack_ros/msg/Track"
    with AnyReader([result / "offline" / "bag"]) as reader:
        found = {item.topic: (item.msgtype, item.msgcount) for item in reader.connections}
        durability = {
            item.topic: item.ext.offered_qos_profiles[0].durability.name
            for item in reader.connections
        }
    assert found == {
        "/tracker/track": (track, FRAMES),
        "/tracker/tracks": ("autrack_ros/msg/TrackArray", FRAMES),
        "/tracker/adaptation": ("autrack_ros/msg/AdaptationReport", 1),
        "/tracker/template": (image, 1),
        "/tracker/overlay": (image, FRAMES),
        "/tracker/response_map": (image, FRAMES - 1),
        "/tracker/response_heatmap": (image, FRAMES - 1),
    }
    assert durability["/tracker/template"] == "TRANSIENT_LOCAL"
    bag = result / "offline" / "bag"
    images = [(received, stamp_ns(message)) for received, message in read_topic(clip_bag, "/image")]
    for name, start in (("track", 0), ("tracks", 0), ("overlay", 0), ("response_map", 1)):
        messages = read_topic(bag, f"/tracker/{name}")
        assert [(received, stamp_ns(m)) for received, m in messages] == images[start:], name
    boxes = read_boxes(result / "offline" / "boxes.txt")
    tracks = [message for _, message in read_topic(bag, "/tracker/track")]
    centers = [(m.center_x - m.size_x / 2, m.center_y - m.size_y / 2) for m in tracks]
    np.testing.assert_allclose(centers, boxes[:, :2], atol=1e-3)
    assert {message.id for message in tracks} == {"target"}
    assert [message.processing_ms for message in tracks] == [0] * FRAMES
    _, overlay = next(read_topic(bag, "/tracker/overlay"))
    assert image_to_bgr(overlay).shape == (*SIZE, 3)
    _, response = next(read_topic(bag, "/tracker/response_map"))
    assert response.encoding == "32FC1"
    values = np.frombuffer(response.data, np.float32)
    assert len(values) == response.height * response.width
    assert 0 < values.max() <= 1


def test_without_pictures_the_bag_of_results_is_small(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r", "--truth-topic", "/truth", "--no-pictures")
    assert done.exit_code == 0, done.output
    with Bag(tmp_path / "r" / "offline" / "bag") as bag:
        topics = {topic.removeprefix("/tracker/") for topic in bag.topics}
    assert topics == {"track", "tracks", "adaptation", "template"}


def test_truth_may_come_from_a_file_and_the_start_from_a_topic(
    evaluate, clip_bag, result, tmp_path
):
    write_boxes(tmp_path / "truth.txt", truth_boxes())
    done = evaluate(
        clip_bag, tmp_path / "r", "--truth", tmp_path / "truth.txt", "--init", "/init_box"
    )
    assert done.exit_code == 0, done.output
    told = metrics(tmp_path / "r")
    assert told["init"]["source"] == "/init_box, stamp 1.000000000"
    assert told["runs"] == metrics(result)["runs"]


def test_images_before_the_start_are_idle(evaluate, clip_bag, tmp_path):
    boxes = truth_boxes()
    boxes[:3] = np.nan
    write_boxes(tmp_path / "truth.txt", boxes)
    done = evaluate(clip_bag, tmp_path / "r", "--truth", tmp_path / "truth.txt")
    assert done.exit_code == 0, done.output
    run = metrics(tmp_path / "r")["runs"]["offline"]
    assert run["first_image"] == 4
    assert run["states"]["idle"] == 3
    assert run["compared_images"] == FRAMES - 3
    np.testing.assert_array_equal(read_boxes(tmp_path / "r" / "offline" / "boxes.txt")[3], boxes[3])


def test_where_a_target_is_lost_its_last_box_counts_but_is_no_report(
    evaluate, clip_bag, tmp_path, monkeypatch
):
    from autrack_ros.tracking import follower

    original = follower.Follower.follow

    def lose(self, image):
        found = original(self, image)
        (name, frame), *_ = found.items()
        return {name: follower.FollowedFrame(TrackState.LOST, None, 0.01, frame.result)}

    monkeypatch.setattr(follower.Follower, "follow", lose)
    done = evaluate(clip_bag, tmp_path / "r", "--truth-topic", "/truth")
    assert done.exit_code == 0, done.output
    run = metrics(tmp_path / "r")["runs"]["offline"]
    assert run["states"] == {"lost": FRAMES - 1, "tracking": 1}
    assert run["lost_but_present"] == FRAMES - 1
    boxes = truth_boxes()
    stays = metric.average_overlap(metric.ious(boxes[[0] * FRAMES], boxes))
    assert run["scores"]["ao"] == pytest.approx(stays)
    assert run["long_term"]["recall"] == 0
    assert run["long_term"]["present_lost"] == FRAMES - 1
    assert np.isnan(read_boxes(tmp_path / "r" / "offline" / "boxes.txt")[1:]).all()
    assert "images 2 to 12" in (tmp_path / "r" / "report.html").read_text()


def test_the_report_stands_alone(result):
    text = (result / "report.html").read_text()
    told = metrics(result)
    assert text.startswith("<!doctype html>")
    for value in (told["bag"]["sha256"], told["settings_sha256"], "success AUC"):
        assert value in text
    assert f"{told['runs']['offline']['scores']['auc']:.4f}" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    frames = json.loads(text.split('<script type="application/json">')[1].split("</script>")[0])
    assert len(frames) == FRAMES
    assert frames[0]["told"].startswith("Image 1 of 12, tracking, score 1.00, overlap 1.00")
    assert text.count("<img") == text.count(' alt="')


# Bad input


def test_the_start_must_be_told(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r")
    assert_fails(done, "--init", "--truth-topic", status=2)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--image-topic", "/camera"), ("no topic /camera", "/image (sensor_msgs/msg/Image)")),
        (("--image-topic", "/truth"), ("/truth is of type autrack_ros/msg/InitBox", "accepted")),
        (("--truth-topic", "/boxes"), ("no topic /boxes", "/truth (autrack_ros/msg/InitBox)")),
        (("--truth-topic", "/image"), ("/image is of type sensor_msgs/msg/Image", "Detection2D")),
        (("--truth-topic", "/truth", "--target", "cat"), ("no target 'cat'", "it has: target")),
        (("--init", "/absent"), ("no topic /absent",)),
        (("--truth", "absent.txt"), ("absent.txt",)),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_written(
    evaluate, clip_bag, tmp_path, arguments, words
):
    given = ("--init", "1,2,30,40") if "--image-topic" in arguments else ()
    assert_fails(evaluate(clip_bag, tmp_path / "r", *arguments, *given), *words)
    assert not (tmp_path / "r").exists()


def test_bad_usage(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r", "--init", "1,2,nan,4")
    assert_fails(done, "--init", "1,2,nan,4", status=2)
    both = ("--truth", "a.txt", "--truth-topic", "/truth")
    assert_fails(evaluate(clip_bag, tmp_path / "r", *both), "--truth", status=2)
    timed = ("--init", "20,30,24,24", "--adapt-budget-ms", "5")
    assert_fails(evaluate(clip_bag, tmp_path / "r", *timed), "--adapt-budget-ms 5", status=2)


def test_live_needs_ros(evaluate, clip_bag, tmp_path, monkeypatch):
    from autrack_ros.cli import extras

    find = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "rclpy" else find(name))
    done = evaluate(clip_bag, tmp_path / "r", "--init", "20,30,24,24", "--live")
    assert_fails(done, "--live needs rclpy", "source a ROS 2 installation", status=2)
    assert not (tmp_path / "r").exists()


def test_live_and_answers_are_one_or_the_other(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r", "--live", "--answers", clip_bag)
    assert_fails(done, "--live", "--answers", status=2)


def test_rate_goes_with_live(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r", "--init", "20,30,24,24", "--rate", "2")
    assert_fails(done, "--rate", "goes with --live or --answers", status=2)


def recorded_bag(
    path: Path, result: Path, delay_ns: int, dropped: tuple[int, ...] = (), state: str = ""
) -> Path:
    """What a node published: the offline tracks, so much later, but for the dropped images."""
    with BagWriter(path) as writer:
        writer.add_topic("/robot/tracker/track", "autrack_ros/msg/Track")
        tracks = list(read_topic(result / "offline" / "bag", "/tracker/track"))
        for index, (received_ns, message) in enumerate(tracks):
            if state:
                message.state = constants("autrack_ros/msg/Track")[state]
            if index not in dropped:
                writer.write_message("/robot/tracker/track", received_ns + delay_ns, message)
    return path


def test_recorded_answers_are_scored_as_a_run_in_real_time(evaluate, clip_bag, result, tmp_path):
    answers = recorded_bag(tmp_path / "answers", result, delay_ns=40_000_000, dropped=(4, 7))
    done = evaluate(
        clip_bag, tmp_path / "r", "--truth-topic", "/truth", "--answers", answers, "--rate", "2"
    )
    assert done.exit_code == 0, done.output
    told = metrics(tmp_path / "r")
    run = told["runs"]["real-time"]
    assert (run["sent"], run["dropped"], run["late"]) == (FRAMES, 2, 0)
    assert run["latency_p50_ms"] == pytest.approx(20)  # of the clock on the wall
    boxes, offline = (
        read_boxes(tmp_path / "r" / name / "boxes.txt") for name in ("real-time", "offline")
    )
    wanted = offline.copy()
    wanted[[4, 7]] = offline[[3, 6]]
    np.testing.assert_allclose(boxes, wanted, atol=1e-3)
    assert told["comparison"].keys() == {"real_time_auc_points"}
    assert f"dropped {2}" in done.stdout
    assert "real-time/bag" not in (tmp_path / "r" / "report.html").read_text()


@pytest.mark.parametrize(
    ("delay_ns", "state", "told"),
    [
        (10**18, "", "not in the time of the bag; record with `ros2 bag record --use-sim-time`"),
        (10**7, "IDLE", "none of its 12 tracks is of a target in an image"),
    ],
)
def test_answers_that_cannot_be_scored_are_told_and_the_offline_run_is_kept(
    evaluate, clip_bag, result, tmp_path, delay_ns, state, told
):
    answers = recorded_bag(tmp_path / "answers", result, delay_ns, state=state)
    done = evaluate(clip_bag, tmp_path / "r", "--truth-topic", "/truth", "--answers", answers)
    assert_fails(done, told)
    assert metrics(tmp_path / "r")["runs"]["offline"] == metrics(result)["runs"]["offline"]
    assert not metrics(tmp_path / "r")["complete"]
    assert "Not complete" in (tmp_path / "r" / "report.html").read_text()


def test_answers_of_a_bag_without_tracks_are_told_before_anything_is_written(
    evaluate, clip_bag, tmp_path
):
    done = evaluate(clip_bag, tmp_path / "r", "--init", "20,30,24,24", "--answers", clip_bag)
    assert_fails(done, "has no topic of type autrack_ros/msg/Track")
    assert not (tmp_path / "r").exists()


def test_truth_of_another_length_is_refused(evaluate, clip_bag, tmp_path):
    write_boxes(tmp_path / "truth.txt", truth_boxes(FRAMES - 1))
    done = evaluate(clip_bag, tmp_path / "r", "--truth", tmp_path / "truth.txt")
    assert_fails(done, "truth.txt holds 11 boxes for 12 images")


def test_a_box_outside_the_image_is_told_with_its_source(evaluate, clip_bag, tmp_path):
    done = evaluate(clip_bag, tmp_path / "r", "--init", "500,5,20,20")
    assert_fails(done, "--init 500,5,20,20: box x=500", "128x96")
    assert not metrics(tmp_path / "r")["complete"]


def damaged_bag(path: Path, kind: str) -> Path:
    """Twelve images; the seventh cannot be used."""
    picture = np.full((*SIZE, 3), 90, np.uint8)
    with BagWriter(path) as writer:
        jpeg = kind == "cut off"
        writer.add_topic("/image", f"sensor_msgs/msg/{'Compressed' if jpeg else ''}Image")
        for index in range(FRAMES):
            head = header(10**9 + index, "")
            message = jpeg_message(head, picture) if jpeg else image_message(head, picture)
            if index == 6 and kind == "size":
                message = image_message(head, picture[:50])
            elif index == 6:
                message.data = message.data[:-40]
            writer.write_message("/image", 10**9 + index, message)
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("size", "is 128x50, those before are 128x96"),
        ("cut off", "JPEG data that are cut off"),
    ],
)
def test_what_was_tracked_before_a_bad_image_is_kept(evaluate, tmp_path, kind, told):
    bag = damaged_bag(tmp_path / "clip", kind)
    write_boxes(tmp_path / "truth.txt", truth_boxes())
    done = evaluate(bag, tmp_path / "r", "--truth", tmp_path / "truth.txt")
    assert_fails(done, "/image, image 7 (stamp 1.000000006)", told)
    told_metrics = metrics(tmp_path / "r")
    assert not told_metrics["complete"]
    assert told in told_metrics["error"]
    assert told_metrics["runs"]["offline"]["images"] == 6
    assert len(read_boxes(tmp_path / "r" / "offline" / "boxes.txt")) == 6
    with Bag(tmp_path / "r" / "offline" / "bag") as kept:
        assert kept.count("/tracker/track") == 6
    assert "Not complete" in (tmp_path / "r" / "report.html").read_text()


def test_truth_that_matches_no_image_keeps_the_tracks(evaluate, clip_bag, tmp_path):
    bag = change(clip_bag, tmp_path / "clip", truth_shift_s=100)
    done = evaluate(bag, tmp_path / "r", "--truth-topic", "/truth", "--init", "/init_box")
    assert_fails(done, "/truth: none of its 12 boxes has the stamp of an image", "101.000000000")
    assert metrics(tmp_path / "r")["runs"]["offline"]["images"] == FRAMES
    done = evaluate(bag, tmp_path / "r", "--truth-topic", "/truth")
    assert_fails(done, "/truth, stamp 101.000000000: no image has this stamp")
    assert metrics(tmp_path / "r")["runs"]["offline"]["states"] == {"idle": FRAMES}


@pytest.mark.parametrize("damage", ["empty", "metadata", "zero"])
def test_a_bag_that_cannot_be_read_fails(evaluate, clip_bag, tmp_path, damage):
    bag = shutil.copytree(clip_bag, tmp_path / "clip")
    if damage == "empty":
        shutil.rmtree(bag)
        with BagWriter(bag):
            pass
    elif damage == "metadata":
        (bag / "metadata.yaml").unlink()
    else:
        (bag / "clip.db3").write_bytes(b"")
    done = evaluate(bag, tmp_path / "r", "--init", "20,30,24,24")
    assert_fails(done, f"autrack: {bag}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_ctrl_c_keeps_what_was_tracked(evaluate, clip_bag, tmp_path, monkeypatch):
    from autrack_ros.evaluation.bags.recording import Recording

    original = Recording.add

    def interrupt(self, tracked):
        if tracked.image.index == 5:
            raise KeyboardInterrupt
        original(self, tracked)

    monkeypatch.setattr(Recording, "add", interrupt)
    done = evaluate(clip_bag, tmp_path / "r", "--truth-topic", "/truth")
    assert done.exit_code == 130
    told = metrics(tmp_path / "r")
    assert (told["complete"], told["error"]) == (False, "interrupted")
    assert told["runs"]["offline"]["images"] == 5


def test_missing_libraries_are_named_with_their_extra(evaluate, clip_bag, tmp_path, monkeypatch):
    from autrack_ros.cli import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = evaluate(clip_bag, tmp_path / "r", "--init", "20,30,24,24")
    assert_fails(done, "rosbags is not installed", "[bag]", status=2)


def test_pictures_show_box_truth_and_state(result):
    text = (result / "report.html").read_text()
    frames = json.loads(text.split('<script type="application/json">')[1].split("</script>")[0])
    data = base64.b64decode(frames[3]["source"].split(",")[1])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (570, 760, 3)

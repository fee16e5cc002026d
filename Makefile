# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Processes of the tests, each with one thread; files of tests stay together, so that what they share is made once.
WORKERS ?= auto
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test test-slow check fuzz docs clean-gallery contract wheel pythons bench results clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/auricle demo --output demo

test: $(VENV)/.installed-dev
	$(PYTEST) tests

# What takes longest: whole trainings, exports of every front-end, kills. Ten minutes are for `make test`.
test-slow: $(VENV)/.installed-dev
	$(PYTEST) tests -m slow

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonversion 3.10
	$(BIN)/basedpyright --pythonversion 3.14
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --site-dir .site

# Hostile inputs for every verb, as many as CASES, from SEED; then kills and full disks. The folder fuzz has the counts and
# the inputs that failed. It takes about an hour on two cores.
CASES ?= 5000
SEED ?= 0
fuzz: export OMP_NUM_THREADS := 1
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tools/fuzz --cases $(CASES) --seed $(SEED) --processes 2 --output fuzz
	$(BIN)/python tools/fuzz/kills.py --output fuzz/kills.json
	$(BIN)/python tools/fuzz/full_disk.py --output fuzz/full-disk.json
	$(BIN)/python tools/fuzz/training_kills.py --points 24 --output fuzz/training-kills.json

# The site, with the notebooks of the gallery run: those whose Markdown changed, each in a folder of its own. `make clean-gallery`
# has all of them run anew.
NOTEBOOKS := $(patsubst docs/gallery/%.md,.gallery/%.md,$(filter-out %/index.md,$(wildcard docs/gallery/*.md)))

docs: $(VENV)/.installed-dev $(NOTEBOOKS)
	$(BIN)/mkdocs build --strict --site-dir .site

.gallery/%.md: docs/gallery/%.md tools/site/gallery/index.md.j2 | $(VENV)/.installed-gallery
	rm -rf .gallery/.work/$* && mkdir -p .gallery/.work/$*
	$(BIN)/jupytext --quiet --from md --to ipynb --set-kernel python3 --execute --run-path $(CURDIR)/.gallery/.work/$* \
		--output $(CURDIR)/.gallery/$*.ipynb $<
	$(BIN)/jupyter nbconvert --log-level ERROR --to markdown --template gallery \
		--TemplateExporter.extra_template_basedirs=tools/site --output-dir .gallery .gallery/$*.ipynb
	rm -rf .gallery/.work/$*

clean-gallery:
	rm -rf .gallery

contract: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/frontends/test_contract.py -m slow --write-contract

# The wheel, in a new environment with core packages alone; and every Python that auricle is for.
wheel: $(VENV)/.installed
	$(BIN)/python tools/try_wheel.py

pythons: $(VENV)/.installed
	$(BIN)/python tools/pythons.py

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py --output results/speed/now.json
	$(BIN)/python benchmarks/speed_page.py results/speed --output docs/benchmarks/speed.md
	$(BIN)/python benchmarks/speed_page.py results/speed/epyc --output docs/benchmarks/speed-epyc.md
	$(BIN)/python benchmarks/install.py results/install/before.toml pyproject.toml --output docs/benchmarks/install.md
	$(BIN)/python benchmarks/frontends.py --keep-memory both --output docs/benchmarks/frontends.md
	$(BIN)/python benchmarks/compiled.py --output docs/benchmarks/compiled.md
	$(BIN)/python benchmarks/apcen.py --output docs/benchmarks/apcen.md
	$(BIN)/python benchmarks/separation.py --output docs/benchmarks/separation.md
	$(BIN)/python benchmarks/throughput.py --output docs/benchmarks/throughput.md
	$(BIN)/python benchmarks/backbones.py --output docs/benchmarks/backbones.md
	$(BIN)/python benchmarks/neighbours.py --output docs/benchmarks/neighbours.md
	$(BIN)/python benchmarks/allocator.py --output docs/benchmarks/allocator.md
	$(BIN)/python benchmarks/subnormals.py --output docs/benchmarks/subnormals.md
	$(BIN)/python benchmarks/exported.py --output docs/benchmarks/exported.md
	$(BIN)/auricle bench --config benchmarks/degram.yaml --output docs/benchmarks/degram.md

results: $(VENV)/.installed
	$(BIN)/auricle compare --config tools/pages/digits.yaml --output docs/results/digits.md
	$(BIN)/auricle compare --config tools/pages/emotion.yaml --output docs/results/emotion.md
	$(BIN)/python tools/pages/stress.py results/leaf --output docs/results/leaf.md
	$(BIN)/python tools/pages/stress.py results/apcen --output docs/results/apcen.md
	$(BIN)/python tools/pages/stress.py results/degram --output docs/results/degram.md
	$(BIN)/python tools/pages/enhancement.py results/enhancement --output docs/results/enhancement.md
	$(BIN)/python tools/pages/separation.py results/separation --output docs/results/separation.md
	$(BIN)/python tools/pages/learning_curves.py results/learning-curves --output docs/results/learning-curves.md
	$(BIN)/python tools/pages/reliability.py results/reliability --output docs/reliability.md
	$(BIN)/python tools/pages/taught.py results/taught --output docs/results/taught.md
	$(BIN)/python tools/pages/robust.py results/robust --output docs/results/robust.md
	$(BIN)/python tools/pages/papers.py results --output docs/results/papers.md
	$(BIN)/python tools/pages/choosing.py results --output docs/choosing.md
	$(BIN)/python tools/pages/pictures.py results --output docs/assets/front
	$(BIN)/python tools/pages/front.py results --output docs/index.md

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing auricle and PyTorch into $(VENV), which takes minutes:"
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing auricle, PyTorch and what tests need into $(VENV), which takes minutes:"
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-gallery: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --editable ".[gallery]"
	touch $@

clean:
	rm -rf $(VENV) .site .gallery demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

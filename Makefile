# make demo   builds .venv and runs recipes/quickstart.yaml on the embedded teacher
# make test   builds .venv and passes every test that needs no GPU
# make check  style, types and the fast tests, in under a minute
# make venv EXTRAS=gpu,train,dev,notebooks   for a machine with a GPU

PYTHON ?= python3
EXTRAS ?= cpu,train,dev,notebooks
BIN := .venv/bin

.PHONY: venv demo test check test-gpu clean

venv: .venv/.complete

.venv/.complete: pyproject.toml install.py
	$(PYTHON) install.py --extras $(EXTRAS)
	touch $@

demo: venv
	$(BIN)/laconic run recipes/quickstart.yaml

test: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not gpu"

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not slow and not gpu"

test-gpu: venv
	$(BIN)/pytest -m gpu

clean:
	rm -rf .venv .laconic build *.egg-info

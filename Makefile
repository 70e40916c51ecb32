VENV := .venv
PYTHON_SOURCES := lxgit tests

.PHONY: venv
venv: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml scripts/venv scripts/find-python
	@scripts/venv $(VENV)

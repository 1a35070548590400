# Everything starts here. Each target builds .venv from the hash locks first; Python 3.11+ and make are all it needs.
PYTHON ?= python3
DO = @command -v "$(PYTHON)" >/dev/null || { echo "Cannot go on: there is no $(PYTHON) here. Install Python 3.11 to 3.14, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; }; exec "$(PYTHON)" -m config.embedded.bootstrap

.PHONY: help run test check format test-long test-debian bench shots reset lock

help: ## what can be done
	@grep -hE '^[a-z-]+: ##' $(MAKEFILE_LIST) | sed 's/: ## /\t/' | expand -t 14

run: ## the whole service with a sample library; PORT=8000 unless taken
	$(DO) run

test: ## everything that has to hold before a change is shared: format, lint, contracts, types, tests in a real browser
	$(DO) test $(ARGS)

check: ## the inner loop, under a minute: format, lint, contracts, types, the tests that need no database
	$(DO) check $(ARGS)

format: ## let the formatters have their way with Python and templates
	$(DO) format

test-long: ## the same tests with many more cases
	$(DO) test-long $(ARGS)

test-debian: ## the suite on Debian's PostgreSQL 15 and Redis 7
	$(DO) test-debian $(ARGS)

bench: ## the figures, each beside what it is measured against
	$(DO) bench $(ARGS)

shots: ## pictures of every page, three widths, two languages, in var/shots/
	$(DO) shots $(ARGS)

reset: ## forget the data of `make run`
	$(DO) reset

lock: ## write the exact pins and hashes of requirements/*.in
	$(DO) lock

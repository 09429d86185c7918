# Three commands matter: `make demo`, `make test` and `make bench`. Each is a line or two; the work is in the files that
# they name.

.PHONY: bench demo test

# PORT=… chooses where the page is. `cargo run` knows where it has built, whatever CARGO_TARGET_DIR says.
demo:
	@[ -x "$${CARGO_TARGET_DIR:-target}/quick/gateway" ] || echo "first build: about 4 minutes" >&2
	@exec cargo run --locked --profile quick --package gateway --features demo -- demo $(if $(PORT),--port $(PORT))

# Everything CI runs. Installs what is missing; see tests/peers/install.
test:
	tests/peers/install
	tests/all

# What it costs, beside other gateways: writes docs/performance.md.
bench:
	benches/run

# Two commands matter: `make demo` and `make test`. Each is a line or two; the work is in the files that they name.

.PHONY: demo test

# PORT=… chooses where the page is.
demo:
	@[ -x target/quick/gateway ] || echo "first build: about 4 minutes" >&2
	@cargo build --locked --profile quick --package gateway
	@exec target/quick/gateway demo $(if $(PORT),--port $(PORT))

# Everything CI runs. Installs what is missing; see tests/peers/install.
test:
	tests/peers/install
	tests/all

# The image is the program and nothing else: no shell, no libc, no user database.
#
# Static by musl, not slim Debian: the target comes with rustup, needs musl's C compiler beside the linker (for TLS; all else is
# Rust), and leaves nothing in the image that would have to be patched. musl's slower allocator does not matter, because a sample
# of a known series allocates nothing.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY . .
RUN target="$(uname -m)-unknown-linux-musl" \
 && cargo build --release --locked --bin statsd-bridge --target "$target" \
 && cp "target/$target/release/statsd-bridge" /statsd-bridge

FROM scratch
COPY --from=build /statsd-bridge /statsd-bridge
# By number, so that it needs no /etc/passwd and runAsNonRoot can check it.
USER 65532:65532
# StatsD over UDP and TCP; metrics. The program writes no file but that of --state.file, which goes on a volume, so
# the root may be read-only.
EXPOSE 9125/udp 9125/tcp 9102/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/statsd-bridge", "healthcheck"]
ENTRYPOINT ["/statsd-bridge"]

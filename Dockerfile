# The image contains only the program: no shell, no libc, no user database.
#
# The program is static with musl. The target comes with rustup, needs musl's C compiler for TLS, and leaves nothing in the image that needs
# security updates. musl's slower allocator does not matter, because a sample of a known series allocates nothing.

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
# A number needs no /etc/passwd, and runAsNonRoot can check it.
USER 65532:65532
# StatsD over UDP and TCP, and HTTP. The program writes only --state.file, which needs a volume, so the root file system can be read-only.
EXPOSE 9125/udp 9125/tcp 9102/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/statsd-bridge", "healthcheck"]
ENTRYPOINT ["/statsd-bridge"]

# tlsfloor's image: one binary, nobody's root.
#
#   docker build -t tlsfloor .
#   docker run --rm -p 8443:8443 -p 8080:8080 -v "$PWD/config:/etc/tlsfloor:ro" tlsfloor

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /build
# Dependencies in a layer of their own, so that a change of ours does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
 && echo 'fn main() {}' > src/main.rs && touch src/lib.rs && echo 'fn main() {}' > tests/it/main.rs \
 && cargo build --release --locked --features jemalloc,otlp \
 && rm -rf src tests
COPY src src
COPY config config
# The stand-ins above are newer than what was copied, to the second.
RUN mkdir -p tests/it && echo 'fn main() {}' > tests/it/main.rs \
 && touch src/main.rs src/lib.rs \
 && cargo build --release --locked --features jemalloc,otlp

FROM debian:bookworm-slim
COPY --from=build /build/target/release/tlsfloor /tlsfloor
COPY LICENSE-MIT LICENSE-APACHE /licenses/
USER 65532:65532
EXPOSE 8443 8080 9901
STOPSIGNAL SIGTERM
ENTRYPOINT ["/tlsfloor"]
CMD ["run"]

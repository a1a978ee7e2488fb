# tlsfloor's image: one static binary and what it reads, on nothing at all.
#
#   docker build -t tlsfloor:dev .
#   docker run --rm -p 8443:8443 -p 8080:8080 -v "$PWD/conf:/etc/tlsfloor:ro" tlsfloor:dev
#
# README, "In a container", has the flags to run it with, arm64, SBOM and how two builds give the same bytes.
# Kept to what BuildKit and the builder of Docker 20.10 both take: no `# syntax=` line, no mounts, no heredocs.

ARG RUST_VERSION=1.95
# A release names the bytes and not only the tag: --build-arg RUST_DIGEST=@sha256:... as printed by
#   docker buildx imagetools inspect rust:1.95-bookworm --format '@{{.Manifest.Digest}}'
# Renew it with each new RUST_VERSION and for Debian's security fixes, at the latest every month.
ARG RUST_DIGEST=

# The compiler runs on the machine that builds, for arm64 too. Docker 20.10's own builder does not name that
# machine and takes it for amd64; on arm64 have it use BuildKit: DOCKER_BUILDKIT=1
FROM --platform=${BUILDPLATFORM:-linux/amd64} rust:${RUST_VERSION}-bookworm${RUST_DIGEST} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build

# What writes the dependencies into the binary, and into the SBOM. Unoptimised: they run once.
RUN cargo install --locked --debug cargo-auditable@0.7.7 cargo-cyclonedx@0.5.9

# Kernels of arm64 have pages of up to 64 KiB; jemalloc has to know the largest when it is built.
# The target is always named, so that these flags reach neither build scripts nor macros. Static (and on amd64
# position independent: on arm64 Rust links no such binaries); randomness by the system call, as a static binary
# cannot look for it in a shared library; no path of the machine that builds.
ARG TARGETARCH
ENV RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\" --remap-path-prefix=/usr/local/cargo=/cargo --remap-path-prefix=/build=/tlsfloor" \
    CFLAGS="-ffile-prefix-map=/usr/local/cargo=/cargo -ffile-prefix-map=/build=/tlsfloor" \
    CARGO_PROFILE_RELEASE_DEBUG=false \
    CARGO_PROFILE_RELEASE_STRIP=symbols \
    FEATURES=jemalloc,otlp
# Compiler and libc for another processor are those of the base image's own Debian release.
# hadolint ignore=DL3008
RUN here=$(dpkg --print-architecture); there=${TARGETARCH:-$here}; \
    case $there in \
      amd64) cpu=x86_64 cross=x86-64-linux-gnu ;; \
      arm64) cpu=aarch64 cross=aarch64-linux-gnu ;; \
      *) echo "no image for $there: amd64 and arm64 are known" >&2; exit 1 ;; \
    esac; \
    mkdir .cargo; \
    printf '[build]\ntarget = "%s-unknown-linux-gnu"\n' "$cpu" > .cargo/config.toml; \
    if [ "$there" = arm64 ]; then printf '[env]\nJEMALLOC_SYS_WITH_LG_PAGE = "16"\n' >> .cargo/config.toml; fi; \
    if [ "$there" != "$here" ]; then \
      printf '[target.%s-unknown-linux-gnu]\nlinker = "%s-linux-gnu-gcc"\n' "$cpu" "$cpu" >> .cargo/config.toml; \
      rustup target add "$cpu-unknown-linux-gnu"; \
      apt-get update; \
      apt-get install -y --no-install-recommends "gcc-$cross" "libc6-dev-$there-cross"; \
      rm -rf /var/lib/apt/lists/*; \
    fi

# Dependencies in a layer of their own, so that a change of ours does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it; \
    echo 'fn main() {}' > src/main.rs; touch src/lib.rs; echo 'fn main() {}' > tests/it/main.rs; \
    cargo auditable build --release --locked --features "$FEATURES"; \
    rm -r src

COPY src src
# The sources above are newer than what was copied, to the second.
RUN touch src/main.rs src/lib.rs; \
    cargo auditable build --release --locked --features "$FEATURES"

COPY LICENSE-MIT LICENSE-APACHE config/tlsfloor.toml config/container/image-root ./
ARG SOURCE_DATE_EPOCH=0
RUN ./image-root /image

FROM scratch
# All files come in one copy, with modes and times set: the same in every builder.
COPY --from=build /image/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="tlsfloor" \
      org.opencontainers.image.description="A TLS-terminating reverse proxy that lets an API retire TLS 1.0/1.1 and plain HTTP without an outage" \
      org.opencontainers.image.url="https://github.com/tlsfloor/tlsfloor" \
      org.opencontainers.image.source="https://github.com/tlsfloor/tlsfloor" \
      org.opencontainers.image.documentation="https://github.com/tlsfloor/tlsfloor/blob/main/README.md" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
USER 65532:65532
EXPOSE 8443 8080 9901
STOPSIGNAL SIGTERM
# By the admin port on loopback, where it is by default. Kubernetes has probes of its own and leaves this be.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/tlsfloor", "ready"]
ENTRYPOINT ["/tlsfloor"]
CMD ["run"]

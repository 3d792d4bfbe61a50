# syntax=docker/dockerfile:1
#
# One image with the three programs: `shop-orchestrator`, `shop`, `saga`.
#
# Checked statically (`cargo test -p it --test deploy`: every copied path and every program exists);
# the machine it was written on has no Docker engine, so it has not been built there.
# It needs BuildKit, which is what `docker build` uses: the caches below are its cache mounts, and a
# second build compiles only what changed.

# The operators' page.
FROM node:20-bookworm-slim AS dashboard
WORKDIR /src/dashboard
# The packages first: they change less often than the page.
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN --mount=type=cache,target=/npm npm ci --cache /npm
COPY dashboard/index.html dashboard/tsconfig.json dashboard/vite.config.ts ./
COPY dashboard/src src
RUN npm run build

# The programs. Debian's release is the one of the last stage: both have the same C library.
FROM rust:1.95-bookworm AS programs
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# All members of the workspace, because cargo reads the manifest of each.
COPY allocator allocator
COPY sagas sagas
COPY core core
COPY log log
COPY kafka kafka
COPY participant participant
COPY migrations migrations
COPY local local
COPY orchestrator orchestrator
COPY program program
COPY examples examples
COPY tests tests
COPY bench bench
COPY simulation simulation
COPY model model
COPY xtask xtask
# The page goes into the program; without this folder the program would serve a notice instead.
COPY --from=dashboard /src/dashboard/dist dashboard/dist
# Out of the cache mount in the same step: what lies in it is not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release \
        --package shop --bin shop --bin shop-orchestrator \
        --package sagas-program --bin saga \
    && install -D --target-directory=/programs \
        target/release/shop target/release/shop-orchestrator target/release/saga

# What the health check asks /readyz with: the last stage has no shell and no HTTP client.
FROM busybox:1.37.0-musl AS busybox

# The C library and libgcc are all that the programs load (`ldd`); zlib is linked into them.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="saga" \
      org.opencontainers.image.description="Saga orchestrator with the sagas and services of the example shop" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=busybox /bin/busybox /bin/busybox
COPY --from=programs /programs/shop /programs/shop-orchestrator /programs/saga /usr/local/bin/
# The user `nonroot` of the image, by number, so that a cluster can see that it is not root.
USER 65532:65532
EXPOSE 8080
CMD ["shop-orchestrator", "serve"]

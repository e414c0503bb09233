# filmgate in a container. `docker compose up -d --build` builds and starts it; see compose.yaml.

# Both stages are the same Debian: the program uses the C and C++ libraries of the system.
FROM rust:1.95-bookworm AS build
# `--build-arg PROFILE=release` builds in less time and memory; the program is larger and a little slower.
ARG PROFILE=dist
WORKDIR /src
COPY Cargo.toml Cargo.lock config.defaults.toml ./
COPY crates crates
COPY xtask xtask
# What was compiled stays in the builder's cache, so that the next build compiles what has changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile "$PROFILE" --package filmgate \
    && install -D "target/$PROFILE/filmgate" /out/filmgate

FROM debian:bookworm-slim
# The certificate authorities that upstreams are checked against. Nothing else is missing in this Debian.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/filmgate /usr/local/bin/filmgate
# A new volume takes over the owner.
RUN install -d -o 10001 -g 10001 -m 0700 /data
# Only programs inside the container and its published ports come to this address.
ENV FILMGATE_DATA_DIR=/data \
    FILMGATE__SERVER__LISTEN=0.0.0.0:8000
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["filmgate", "health"]
ENTRYPOINT ["filmgate"]
CMD ["serve"]

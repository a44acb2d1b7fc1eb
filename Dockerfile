# The sidecar: Node, the bundled program, two native modules; no shell, no compiler, no package manager.
#
#   docker build -t sideroute:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/sideroute:0.1.0 --push .
#
# The base images are tags, so that a rebuild takes their fixes; pin digests with --build-arg where builds must repeat.
ARG NODE_IMAGE=docker.io/library/node:22-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:latest

# JavaScript is the same on every platform: made once, on the platform of the builder.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS dependencies
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --loglevel=error

FROM dependencies AS javascript
ARG REVISION=unknown
COPY tsconfig.json ./
COPY src src
COPY init-container init-container
COPY scripts/admin-page.mjs scripts/bundle.mjs scripts/sbom.mjs scripts/
RUN node node_modules/typescript/bin/tsc -p . --noEmit --incremental false \
 && node scripts/admin-page.mjs \
 # The final image has no env(1).
 && node scripts/bundle.mjs --image --commit "$REVISION" \
 && node scripts/sbom.mjs sbom.spdx.json

# On the platform of the image: the addon, and of the binaries of uWebSockets.js the one that this Node loads.
FROM ${NODE_IMAGE} AS native
WORKDIR /src
COPY --from=dependencies /src/node_modules node_modules
COPY native native
RUN node node_modules/node-gyp/bin/node-gyp.js rebuild --directory native --nodedir=/usr/local --loglevel=warn \
 && strip native/build/Release/sideroute.node
RUN mkdir -p /out/opt/sideroute/node_modules \
 && cp -r node_modules/uWebSockets.js /out/opt/sideroute/node_modules/ \
 && cd /out/opt/sideroute/node_modules/uWebSockets.js \
 && rm -f README.md dist/*.d.mts \
 && cd dist/bin \
 && keep="uws_linux_$(node -p 'process.arch + "_" + process.versions.modules').node" \
 && test -f "$keep" \
 && find . -name 'uws_*.node' ! -name "$keep" -delete \
 && mkdir -p /out/opt/sideroute/native/build/Release /out/usr/local/bin \
 && cp /src/native/build/Release/sideroute.node /out/opt/sideroute/native/build/Release/ \
 && ln -s /opt/sideroute/dist/bin/sideroute.js /out/usr/local/bin/sideroute
COPY --from=javascript /src/sbom.spdx.json /out/usr/share/doc/sideroute/
COPY LICENSE /out/usr/share/doc/sideroute/
COPY package.json /out/opt/sideroute/
COPY --from=javascript /src/dist /out/opt/sideroute/dist

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sideroute" \
      org.opencontainers.image.description="Gateway API (GAMMA) routing between Services from one small sidecar" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      dev.sideroute.sbom="/usr/share/doc/sideroute/sbom.spdx.json"
# Its own layer, the largest, and the same in every image built with this Node.
COPY --from=native /usr/local/bin/node /usr/local/bin/node
COPY --from=native /out/ /
ENV NODE_ENV=production
USER 1337:1337
EXPOSE 15020
ENTRYPOINT ["/usr/local/bin/sideroute"]
CMD ["proxy"]

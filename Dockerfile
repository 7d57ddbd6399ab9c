# Almanac without a server of its own: give it NATS_URL. docker-compose.yml does.
FROM node:24-slim

ENV NODE_ENV=production
WORKDIR /app

# Dependencies first: they change less often than the code. Scripts are left out because the image brings its own Node.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

COPY nats.conf ./
COPY machines machines
COPY streams streams
COPY src src

# The user of ClarifAI's own containers has the same number, so both may write to one vault.
RUN mkdir -p /data /vault && chown node:node /data /vault
USER node
ENV ALMANAC_DATA=/data VAULT_PATH=/vault
VOLUME ["/data"]

# Metrics answer once Almanac runs (not with ENABLE_MONITORING=false: then override this). No curl in this image.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/metrics').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# Stops taking work, hands back what it holds, leaves. Exec form, so that the signal reaches Node.
STOPSIGNAL SIGTERM
CMD ["node", "src/cli/almanac.ts", "start"]

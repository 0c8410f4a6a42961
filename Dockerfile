# The service without its servers: api and workers are this image with another command (compose.yaml).
#   docker build --build-arg LIBVIRT=1 .      with the libvirt driver, and ssh for qemu+ssh:// addresses
ARG LIBVIRT=

FROM python:3.12-slim AS environment
ARG LIBVIRT
COPY requirements-server.lock /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-server.lock
# It has no wheel, and must be of the library's own version.
RUN if [ -n "$LIBVIRT" ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends gcc libc6-dev libvirt-dev pkg-config \
        && /opt/venv/bin/pip install --no-cache-dir "libvirt-python==$(pkg-config --modversion libvirt)"; \
    fi

FROM node:24-slim AS page
WORKDIR /page
COPY ui/package.json ui/package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    && mkdir /assets && mv node_modules "/assets/$(sha256sum package-lock.json | cut -c 1-16)"

FROM python:3.12-slim
ARG LIBVIRT
RUN if [ -n "$LIBVIRT" ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends libvirt0 openssh-client \
        && rm -rf /var/lib/apt/lists/*; \
    fi
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/zstack-mgmt zstack-mgmt
COPY --from=environment /opt/venv /opt/venv
WORKDIR /opt/zstack-mgmt
COPY --from=page /assets /opt/zstack-mgmt/assets
COPY schema.sql ./
COPY migrations migrations
COPY ui ui
COPY workers workers
COPY zstack_mgmt zstack_mgmt
# Written by root, run by another user: the service cannot change its own code.
RUN /opt/venv/bin/python -m compileall -q zstack_mgmt workers
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    OPERATIONS_PORT=9464 \
    ASSETS_DIR=/opt/zstack-mgmt/assets \
    DATA_DIR=/var/lib/zstack-mgmt
USER zstack-mgmt
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
# Every process serves its health there; `/readyz` tells whether the service as a whole can do its work.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['OPERATIONS_PORT'] + '/healthz', timeout=2)"]
CMD ["python", "-m", "zstack_mgmt", "serve"]

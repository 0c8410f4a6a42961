# The service without its servers: api and workers are this image with another command (compose.yaml).
FROM python:3.12-slim AS environment
COPY requirements-server.lock /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-server.lock

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/zstack-mgmt zstack-mgmt
COPY --from=environment /opt/venv /opt/venv
WORKDIR /opt/zstack-mgmt
COPY schema.sql ./
COPY migrations migrations
COPY workers workers
COPY zstack_mgmt zstack_mgmt
# Written by root, run by another user: the service cannot change its own code.
RUN /opt/venv/bin/python -m compileall -q zstack_mgmt workers
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/var/lib/zstack-mgmt
USER zstack-mgmt
EXPOSE 8080
STOPSIGNAL SIGTERM
# For the api; a worker has no port, and compose.yaml gives it another check.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=2)"]
CMD ["python", "-m", "zstack_mgmt", "serve"]

# One image for every process of Synapse: `synapse serve` unless told otherwise, `synapse worker`, `synapse migrate`.

# The GraphiQL page.
FROM node:24-slim AS page
WORKDIR /page
COPY graphiql/package.json graphiql/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY graphiql/ ./
RUN npm run build

# A virtual environment with what the lock file names, and no more than production needs.
FROM python:3.12-slim AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/synapse
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /source
COPY pyproject.toml uv.lock ./
# Without the web page of litellm's own server, 18 MB that nothing here shows to anybody.
RUN uv sync --frozen --no-dev --no-install-project --no-cache \
    && rm -r /opt/synapse/lib/python3*/site-packages/litellm/proxy/_experimental/out
COPY . ./
COPY --from=page /page/dist graphiql/dist
RUN uv sync --frozen --no-dev --no-editable --no-cache

FROM python:3.12-slim
COPY --from=build /opt/synapse /opt/synapse
# A home that everybody may read: database clients look for certificates there.
ENV PATH=/opt/synapse/bin:$PATH HOME=/opt/synapse PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
# Nothing in the image belongs to this user: the process writes to its sockets only.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["synapse", "serve"]

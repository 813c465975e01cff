FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/stigmer
COPY . .
# The native engine is let in by the hash of its files; all else is in pyproject.toml. Plugins come with the image and stay
# off until STIGMER_PLUGINS names them.
RUN /opt/stigmer/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/ngh2.txt \
    && /opt/stigmer/bin/pip install --no-cache-dir ".[observe]" ./plugins/*

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home stigmer
COPY --from=build /opt/stigmer /opt/stigmer
COPY examples/health.py /opt/stigmer/health.py
ENV PATH=/opt/stigmer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STIGMER_LISTEN=0.0.0.0:7234 \
    STIGMER_LOG=json \
    STIGMER_STORE=sqlite:////data/stigmer.db
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 7234
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "/opt/stigmer/health.py", "127.0.0.1:7234"]
ENTRYPOINT ["stigmer"]
CMD ["serve"]

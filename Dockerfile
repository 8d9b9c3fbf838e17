# One image for every service and tool: `docker run IMAGE services.notify`.
FROM python:3.11-slim AS build
COPY requirements.txt /build/
RUN ["python", "-m", "venv", "--without-pip", "/opt/peygir/venv"]
RUN ["python", "-m", "pip", "--python", "/opt/peygir/venv/bin/python", "install", \
     "--no-cache-dir", "--require-hashes", "--requirement", "/build/requirements.txt"]
COPY services /opt/peygir/services
COPY shared /opt/peygir/shared
COPY tools /opt/peygir/tools
RUN ["chmod", "--recursive", "a+rX", "/opt/peygir"]
# Nothing can be written where it runs, so the compiled modules are made here. Their hashes are
# left unchecked, since the time of a file may change on its way into an image.
RUN ["python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", \
     "/opt/peygir/services", "/opt/peygir/shared", "/opt/peygir/tools"]

FROM python:3.11-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Peygir" \
      org.opencontainers.image.description="Follows the resolutions of the specialised provincial sessions until they are done" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.vendor="Peygir" \
      org.opencontainers.image.documentation="docs/ and SECURITY.md of the revision" \
      org.opencontainers.image.base.name="python:3.11-slim"
ENV PATH=/opt/peygir/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/peygir /opt/peygir
WORKDIR /opt/peygir
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["services.followups"]

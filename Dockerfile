# The tool in an image: docker build -t reinterpreter . ; docker run --rm -it -v "$PWD:/work" reinterpreter
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/interpreter \
    && /opt/interpreter/bin/python -m pip install --no-cache-dir --disable-pip-version-check '.[otel]'

FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap=0.8.* git=1:2.39.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /bin/bash person \
    && install -d -o person -g person /work /data
COPY --from=build /opt/interpreter /opt/interpreter
ENV PATH=/opt/interpreter/bin:$PATH \
    INTERPRETER_HOME=/data \
    LC_ALL=C.UTF-8
USER 10001:10001
WORKDIR /work
VOLUME /data
ENTRYPOINT ["interpreter"]

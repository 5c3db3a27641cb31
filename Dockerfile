# swath with its locked packages: docker build -t swath . && docker run --rm -v "$PWD:/work" swath -cn quickstart
FROM python:3.11-slim
WORKDIR /swath
COPY . .
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.lock
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .
WORKDIR /work
ENTRYPOINT ["swath"]
CMD ["--help"]

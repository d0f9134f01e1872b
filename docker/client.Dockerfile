# A client of servers, on any CPU: docker build -f docker/client.Dockerfile -t triptych .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" triptych caption run --server http://gpu1:23333/v1
FROM python:3.12-slim-bookworm
COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /usr/local/bin/uv
COPY . /src
RUN uv pip install --system --no-cache "/src[arrow,heif,jxl,metrics,ray,s3]" && rm -rf /src
# Any user can run it: files belong to who starts it.
ENV HOME=/tmp
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["triptych"]
CMD ["--help"]

# Embeds, and starts lmdeploy: docker build -f docker/gpu.Dockerfile -t triptych-gpu .
# docker run --gpus all --ipc host -v /data:/data triptych-gpu run photos/ --out run --model MODEL
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04
COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /usr/local/bin/uv
ENV UV_PYTHON_INSTALL_DIR=/opt/python PATH=/opt/triptych/bin:$PATH
COPY . /src
RUN uv venv --python 3.12 /opt/triptych \
    && uv pip install --python /opt/triptych --no-cache "/src[lmdeploy,arrow,heif,jxl,metrics,ray,s3]" && rm -rf /src
WORKDIR /data
ENTRYPOINT ["triptych"]
CMD ["--help"]

# A submission to Fishyscapes: reads images in /input, writes FRAME_anomaly.npy and FRAME_segmentation.npy to /output.
# Build it in a clone (docs/submissions.md):
#   docker build -f tools/containers/fishyscapes.Dockerfile -t submission \
#     --build-arg CONFIG=local_configs/erfnet/erfnet_cityscapes_FEDC.py --build-arg CHECKPOINT=fedc.pth --build-arg HEAD=fedc .
FROM python:3.11-slim

# What the wheel of OpenCV links to.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/submission
COPY requirements.txt ./
RUN pip install --no-cache-dir --upgrade pip setuptools wheel && pip install --no-cache-dir -r requirements.txt

COPY pyproject.toml setup.py README.md LICENSE model-index.yml ./
COPY mmseg_uncertainty ./mmseg_uncertainty
COPY local_configs ./local_configs
COPY checkpoints ./checkpoints
# An installed package, so that nothing depends on the folder that a container starts in.
RUN pip install --no-cache-dir --no-build-isolation --no-deps .

ARG CONFIG
ARG CHECKPOINT
ARG HEAD
ARG OPTIONS=""
COPY ${CHECKPOINT} ./checkpoint.pth
# The server runs images read-only, as a user without a home and without a network.
ENV CONFIG=/opt/submission/${CONFIG} HEAD=${HEAD} OPTIONS=${OPTIONS} \
    MPLCONFIGDIR=/tmp NUMBA_CACHE_DIR=/tmp OMP_WAIT_POLICY=PASSIVE
RUN chmod -R a+rX /opt/submission && test -n "${HEAD}" && test -f "${CONFIG}" \
    && mmseg-uncertainty submit fishyscapes --help > /dev/null

COPY tools/containers/fishyscapes_run.sh /opt/submission/run.sh
CMD ["sh", "/opt/submission/run.sh"]

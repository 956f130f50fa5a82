# Stands in for SeaweedFS's own image: the same program, from its package.
ARG BASE
FROM ${BASE}
COPY weed /usr/bin/weed
RUN install -d /data
VOLUME /data
ENTRYPOINT ["/usr/bin/weed"]

# Four containers run from the stage's compose files, of images that Docker had from its first start on, and nobody was
# asked over the network.
set -eux
! timeout 10 bash -c 'exec 3<>/dev/tcp/9.9.9.9/53'
docker images
test "$(docker images --quiet | sort -u | wc -l)" = 4
pkctl stage apply || { docker ps --all; exit 1; }
test "$(docker ps --filter health=healthy --format '{{.Image}}' | sort)" = "localhost/pkbuild/caddy:trixie
localhost/pkbuild/mosquitto:trixie
localhost/pkbuild/prometheus-node-exporter:trixie
localhost/pkbuild/prometheus:trixie"
pkctl stage result | grep good
# They are those that the image came with, which are as old as it says.
test "$(docker ps --quiet | xargs docker inspect --format '{{.Created}}' | sort -u)" = 2026-01-01T00:00:00Z
docker system df
# The host reaches them as a user would.
test "$(curl --silent --show-error localhost)" = caddy
curl --silent --fail localhost:9100/metrics | grep '^node_uname_info'
mosquitto_pub -t x -m y
# Docker can run another one, and can tell an image in the bytes that it came in.
docker run --rm --network none --entrypoint /usr/bin/dpkg localhost/pkbuild/mosquitto:trixie --print-architecture | grep -x arm64
docker save localhost/pkbuild/mosquitto:trixie | sha256sum
docker save localhost/pkbuild/mosquitto:trixie | tar --list | grep -x manifest.json

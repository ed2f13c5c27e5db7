# Of the stage that was given up one app had failed: the containers of the others ran.
set -eux
pkctl stage result --stage 1 --json
test "$(pkctl stage result --stage 1 --json | grep -c '"app ')" = 1
pkctl stage result --stage 1 --json | grep '"app infra/prometheus: failed: images not on the device: docker.io/prom/prometheus:'

# What the PlanktoScope's pallet brings is in place, systemd knows its units, and the containers of its apps run.
set -eu
stage=/run/forklift/stages/current/exports/overlays
(cd $stage && find . ! -type d) | while read -r name; do test -e "/$name" || test -L "/$name"; done
set -x
test "$(machine-name)" = standing-in-1
cmp /usr/bin/machine-name $stage/usr/bin/machine-name
test "$(readlink /etc/hostname)" = ../run/overlays/generated/etc/hostname
systemctl cat generate-machine-name.service
systemctl list-units --failed --no-legend --plain
pkctl stage apply || { docker ps --all; systemctl status docker.service; exit 1; }
docker ps --all --format '{{.Names}} {{.Image}} {{.Status}}' | sort
test "$(docker ps --quiet | wc -l)" = 17
test "$(docker ps --format '{{.Label "com.docker.compose.project"}}' | sort -u | wc -l)" = 16
pkctl stage result | grep good

# What the PlanktoScope's pallet brings is in place, and systemd knows its units.
set -eux
stage=/run/forklift/stages/current/exports/overlays
(cd $stage && find . ! -type d) | while read -r name; do test -e "/$name" || test -L "/$name"; done
test "$(machine-name)" = standing-in-1
cmp /usr/bin/machine-name $stage/usr/bin/machine-name
test "$(readlink /etc/hostname)" = ../run/overlays/generated/etc/hostname
systemctl cat generate-machine-name.service
systemctl list-units --failed --no-legend --plain

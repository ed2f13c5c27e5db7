# Nothing of the machine that built the image is in it, and no account has a password.
set -eux
test ! -s /sysroot/etc/machine-id
test -z "$(ls /sysroot/etc/ssh/ssh_host_* 2>/dev/null)"
test "$(cat /sysroot/etc/hostname)" = planktoscope
grep '^pi:!:' /sysroot/etc/shadow
id -nG pi | grep -w pkctl
sudo -u pi touch /home/pi/.local/share/forklift/stages/probe
test "$(stat -c %u:%g /var/lib/forklift/stages/probe)" = 0:0
if sudo -u nobody touch /home/pi/.local/share/forklift/stages/other; then exit 1; fi
if sudo -u nobody touch /var/lib/forklift/stages/other; then exit 1; fi

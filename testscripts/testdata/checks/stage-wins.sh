# A file of the stage wins over the base's, and a unit of the stage is one that the base does not have.
set -eux
stage=/run/forklift/stages/current/exports/overlays
cmp /etc/motd $stage/etc/motd
if cmp -s /etc/motd /sysroot/etc/motd; then exit 1; fi
test -e /usr/libexec/planktoscope
test ! -e /sysroot/usr/libexec/planktoscope
if touch $stage/etc/motd; then exit 1; fi
if touch /sysroot/etc/motd; then exit 1; fi
test "$(systemctl show -p NeedDaemonReload --value docker.service)" = no

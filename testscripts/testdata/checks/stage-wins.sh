# A file of the stage wins over the base's, and a unit of the stage is one that the base does not have.
set -eux
stage=/run/forklift/stages/current/exports/overlays
cmp /etc/motd $stage/etc/motd
! cmp -s /etc/motd /sysroot/etc/motd
test -e /usr/libexec/planktoscope
test ! -e /sysroot/usr/libexec/planktoscope
! touch $stage/etc/motd
! touch /sysroot/etc/motd
test "$(systemctl show -p NeedDaemonReload --value docker.service)" = no

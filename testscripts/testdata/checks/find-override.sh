# What the user changed in the boot before is there, and wins.
set -eux
grep -x mine /etc/override-new
grep -x mine /etc/motd
grep -x mine /usr/share/override-new
test ! -e /etc/override-dir
cmp /etc/bash.bashrc /sysroot/etc/bash.bashrc
test ! -e /var/lib/overlays/revert.json
test ! -e /etc/issue
test -e /sysroot/etc/issue
test ! -e /sysroot/etc/override-new
if grep -x mine /run/forklift/stages/current/exports/overlays/etc/motd; then exit 1; fi

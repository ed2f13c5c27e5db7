# What a user changes: a new file, a file of the stage, a file of the base.
set -eux
echo mine >/etc/override-new
echo mine >/etc/motd
echo mine >/usr/share/override-new
rm /etc/issue
# ... and what the user gives up at the next boot.
mkdir /etc/override-dir
echo mine >/etc/override-dir/reverted
echo mine >/etc/bash.bashrc
echo '{"version": 1, "paths": ["/etc/override-dir", "/etc/bash.bashrc"]}' >/var/lib/overlays/revert.json
for f in override-new motd; do grep -x mine /var/lib/overlays/overrides/etc/$f; done
test -c /var/lib/overlays/overrides/etc/issue
sync

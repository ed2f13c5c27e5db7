# What a user changes: a new file, a file of the stage, a file of the base.
set -eux
echo mine >/etc/override-new
echo mine >/etc/motd
echo mine >/usr/share/override-new
rm /etc/issue
for f in override-new motd; do grep -x mine /var/lib/overlays/overrides/etc/$f; done
test -c /var/lib/overlays/overrides/etc/issue
sync

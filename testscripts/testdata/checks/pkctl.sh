# The device's tool knows its stages and what the user changed.
set -eux
pkctl status
pkctl status --json | grep -q '"degraded": false'
pkctl stage ls | grep -E '^1 +good +running,next,current +factory-reset '
pkctl stage verify factory-reset
systemctl is-active pkctl-override-scan.service || test "$(systemctl show -P Result pkctl-override-scan)" = success
grep '"version": 1' /var/lib/overlays/ledger.json

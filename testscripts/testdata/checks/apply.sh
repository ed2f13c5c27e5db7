# The stage of this boot was applied and found good, the boot is complete, and the message of the day has nothing to say.
set -eux
systemctl is-active pkctl-apply.service boot-complete.target multi-user.target
pkctl stage result --json | grep '"result": "good"'
pkctl status | grep -E '^verdict +good, on '
grep -A 1 '^    history:' /var/lib/forklift/stages/forklift-stage-store.yml | grep -x '        - 1'
test -x /etc/update-motd.d/50-pkctl
test -z "$(run-parts --regex '^50-pkctl$' /etc/update-motd.d)"

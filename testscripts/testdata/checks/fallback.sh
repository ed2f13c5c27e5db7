# Files and containers are both of the proven stage, and it is said why.
set -eux
grep -x 2 /etc/stage
bad=1
if [ -d /var/lib/forklift/stages/3 ]; then
	bad=3
	pkctl stage result --stage 3 --json | grep 'images not on the device: example.org/nowhere:1'
fi
pkctl stage result --stage $bad
pkctl stage result --stage $bad --json | grep '"result": "failed"'
pkctl stage result --json | grep -q '"result": "good"'
systemctl is-active pkctl-apply.service boot-complete.target
docker ps --all --format '{{.Names}} {{.Status}}' | sort
test "$(docker ps --all --format '{{.Names}}' | sort | tr '\n' ' ')" = "main-main-1 other-main-1 "
for c in main-main-1 other-main-1; do
	docker inspect --format '{{json .Config.Env}} {{.State.Health.Status}}' $c | grep '"STAGE=2".* healthy$'
done
docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' main-main-1 |
	grep -x /run/forklift/stages/current/packages/main
grep 'next-failed: true' /var/lib/forklift/stages/forklift-stage-store.yml
pkctl status
pkctl status --brief | grep "^Stage $bad failed on .*; stage 2 runs.$"
# A second time changes nothing.
before=$(docker ps --no-trunc --format '{{.ID}}' | sort)
pkctl stage apply
test "$(docker ps --no-trunc --format '{{.ID}}' | sort)" = "$before"
# What the user starts on his own stays; what a stage brought and this one does not have goes.
mkdir /root/mine
printf 'services: {main: {image: "example.org/main:1", command: [/main], network_mode: none}}\n' >/root/mine/compose.yml
docker compose --project-directory /root/mine up --detach
docker compose --project-name old --project-directory /var/lib/forklift/stages/1 --file /root/mine/compose.yml up --detach
pkctl stage apply
test "$(docker ps --all --format '{{.Names}}' | sort | tr '\n' ' ')" = "main-main-1 mine-main-1 other-main-1 "

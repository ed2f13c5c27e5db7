# Both services have published their status, and the broker keeps it.
set -eu
mosquitto_sub -h localhost -t 'status/#' -v --retained-only -C 4 -W 20 | sort >/tmp/topics
cat /tmp/topics
for topic in status/focus status/imager status/pump status/segmenter; do
	grep -q "^$topic " /tmp/topics
done

# Docker has the images that it was started with as if it had unpacked them itself, which a second one does, and goes on
# from there.
set -eux
here=/opt/dockercheck
tool=$here/dockercheck
registry=127.0.0.1:5000
broker=$registry/mosquitto:1 further=$registry/mosquitto:2 variety=$registry/variety:1
data=$(docker info --format '{{.DockerRootDir}}')
dir=$(mktemp -d /var/tmp/dockercheck.XXXXXX)

$tool serve $here/layout $registry &
serving=$!
empty=127.0.0.1:5001
mkdir -p "$dir/empty/blobs/sha256"
echo '{}' >"$dir/empty/index.json"
$tool serve "$dir/empty" $empty &
serving="$serving $!"
dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "unix://$dir/sock" --bridge none \
	--iptables=false --ip6tables=false --containerd-namespace other --containerd-plugins-namespace other-plugins >"$dir/log" 2>&1 &
other=$!
end() {
	code=$?
	[ $code = 0 ] || tail -n 20 "$dir/log"
	kill $other $serving
	wait $other
	rm -r "$dir"
	exit $code
}
trap end EXIT
theirs() { docker --host "unix://$dir/sock" "$@"; }

# What it is asked about the images.
for i in $broker $variety; do docker inspect --format '{{.Id}} {{.Size}} {{json .RootFS}} {{json .Config}}' $i; done >"$dir/ours"
docker images --digests --no-trunc
docker system df
test "$(docker images --quiet | wc -l)" = 2
docker run --rm --network none $variety | grep -x hello
docker run --rm --network none --entrypoint /usr/bin/dpkg $broker --print-architecture | grep -x arm64

# The same, of the one that unpacks them.
until theirs version >/dev/null 2>&1; do kill -0 $other; sleep 1; done
for i in $broker $variety; do theirs pull --quiet $i; done
for i in $broker $variety; do theirs inspect --format '{{.Id}} {{.Size}} {{json .RootFS}} {{json .Config}}' $i; done | diff "$dir/ours" -
usage='{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}'
test "$(docker system df --format "$usage")" = "$(theirs system df --format "$usage")"
saved() { # DOCKER...: what it saves of an image; its archive has the time in it, and is never the same
	mkdir "$dir/saved"
	"$@" | tar --extract --directory="$dir/saved"
	(cd "$dir/saved" && find . -type f -print0 | sort --zero-terminated | xargs --null sha256sum)
	rm -r "$dir/saved"
}
for i in $broker $variety; do
	saved docker save $i >"$dir/saved-ours"
	saved theirs save $i >"$dir/saved-theirs"
	cat "$dir/saved-ours"
	diff "$dir/saved-ours" "$dir/saved-theirs"
done
docker save $broker | sha256sum

# All files of all layers. The comparison sees a file that is different.
$tool layers "$data" >"$dir/ours"
$tool layers "$dir/data" >"$dir/theirs"
wc -l "$dir/ours"
test "$(grep -c '^layer ' "$dir/ours")" = 5
diff "$dir/ours" "$dir/theirs"
chown 0:1 "$dir"/data/overlay2/*/diff/usr/bin/mosquitto_pub
$tool layers "$dir/data" >"$dir/theirs"
test "$(diff "$dir/ours" "$dir/theirs" | grep '^>')" = "> $(grep '"usr/bin/mosquitto_pub"' "$dir/ours" | sed 's/ 0:0 / 0:1 /')"

# A further image with layers that are there, which is there after a restart, too.
docker pull $broker | grep 'Image is up to date'
docker pull $further >"$dir/pulled"
test "$(grep -c 'Already exists$' "$dir/pulled")" = 3
test "$(grep -c 'Pull complete$' "$dir/pulled")" = 1
systemctl restart docker.service
docker run --rm --network none --entrypoint /usr/bin/cat $further /further | grep -x further

# To a registry that has the layers, and to one that has none; what was pushed is the image.
test "$(docker push $broker | grep -c 'Layer already exists$')" = 3
docker tag $variety $empty/variety:1
test "$(docker push $empty/variety:1 | grep -c 'Pushed$')" = 2
theirs pull --quiet $empty/variety:1
test "$(theirs images --quiet --no-trunc $empty/variety:1)" = "$(docker images --quiet --no-trunc $variety)"

# What one image leaves behind, another one has; what the last one leaves is nothing.
docker rmi $further $empty/variety:1
$tool layers "$data" | diff "$dir/ours" -
docker run --rm --network none $variety | grep -x hello
docker rmi $variety
docker system prune --all --force --volumes
test -z "$(docker images --all --quiet)"
docker system df
for i in overlay2/l containers volumes image/overlay2/layerdb/sha256 image/overlay2/layerdb/mounts \
	image/overlay2/imagedb/content/sha256 image/overlay2/imagedb/metadata/sha256; do
	find "$data/$i" -mindepth 1 ! -name metadata.db ! -name backingFsBlockDev
done >"$dir/left"
find "$data/overlay2" -mindepth 1 -maxdepth 1 ! -name l >>"$dir/left"
cat "$dir/left"
test ! -s "$dir/left"
grep -x '{"Repositories":{}}' "$data/image/overlay2/repositories.json"

package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// asked returns a container as Compose requests it, with further settings.
func asked(image images.Image, config, host string) Container {
	text := fmt.Sprintf(`{"Image": "x", "Cmd": ["/main"], "HostConfig": {"NetworkMode": "none"%s}%s}`, host, config)
	return Container{Name: "a-web-1", Title: "service web of app a", Image: image.ID(), Request: json.RawMessage(text), Created: tartest.Written()}
}

func TestContainerRefused(t *testing.T) {
	s := newShelf(t)
	image := s.image("x", archiveOf(t, tartest.File("file", "")))
	for _, c := range []struct{ config, host, want string }{
		{``, `, "SecurityOpt": ["no-new-privileges"]`, "security_opt is not supported when containers are created at build time"},
		{``, `, "Memory": 1000`, "mem_limit is not supported when containers are created at build time"},
		{``, `, "NewInDocker": {"a": [1]}`, "NewInDocker is not supported when containers are created at build time"},
		{`, "MacAddress": "a"`, ``, "mac_address is not supported when containers are created at build time"},
		{``, `, "NetworkMode": "container:x"`, "network_mode container: is not supported when containers are created at build time"},
		{``, `, "Binds": ["/a:/b:rshared"]`, `volumes: option "rshared" of "/a:/b:rshared" is not supported when containers are created at build time`},
		{``, `, "Binds": ["a:/b"]`, `volumes: source "a" of "a:/b" is not an absolute path`},
		{``, `, "Mounts": [{"Type": "tmpfs", "Target": "/t"}]`, "volumes: type tmpfs at /t is not supported when containers are created at build time"},
		{``, `, "Mounts": [{"Type": "volume", "Target": "/t", "VolumeOptions": {"Subpath": "x"}}]`, `volumes: options of the volume mount at /t: json: unknown field "Subpath"`},
		{``, `, "Mounts": [{"Type": "volume", "Target": "/t", "Source": "n"}]`, "volumes: volume n does not exist"},
		{``, `, "Mounts": [{"Type": "volume", "Target": "/file"}]`, "volumes: /file is not a directory in the image"},
	} {
		store := Store{Diff: s.diff, Cache: t.TempDir(), Containers: []Container{asked(image, c.config, c.host)}}
		_, err := store.Tree(t.Context(), []images.Image{image})
		require.EqualError(t, err, "service web of app a: "+c.want)
	}
	none := asked(image, "", "")
	none.Image = "sha256:0"
	_, err := Store{Diff: s.diff, Cache: t.TempDir(), Containers: []Container{none}}.Tree(t.Context(), []images.Image{image})
	require.EqualError(t, err, "service web of app a: image sha256:0 is not in the store")
}

func TestInherit(t *testing.T) {
	const image = `{"User": "7", "Env": ["A=i", "B=i"], "Cmd": ["c"], "Entrypoint": ["e"], "Labels": {"a": "i", "b": "i"},
		"Healthcheck": {"Test": ["CMD", "i"], "Interval": 5}, "WorkingDir": "/i", "Volumes": {"/i": {}}}`
	for text, want := range map[string]string{
		`{}`: `{"User": "7", "Env": ["A=i", "B=i"], "Cmd": ["c"], "Entrypoint": ["e"], "Labels": {"a": "i", "b": "i"}, "ExposedPorts": null,
			"Healthcheck": {"Test": ["CMD", "i"], "Interval": 5}, "WorkingDir": "/i", "Volumes": {"/i": {}}}`,
		`{"User": "8", "Env": ["A=o"], "Cmd": ["d"], "Labels": {"a": "o"}, "Healthcheck": {"Test": ["NONE"]}, "Volumes": {"/o": {}}}`: `{
			"User": "8", "Env": ["A=o", "B=i"], "Cmd": ["d"], "Entrypoint": ["e"], "Labels": {"a": "o", "b": "i"}, "ExposedPorts": null,
			"Healthcheck": {"Test": ["NONE"], "Interval": 5}, "WorkingDir": "/i", "Volumes": {"/i": {}, "/o": {}}}`,
		`{"Entrypoint": ["o"], "WorkingDir": "/o"}`: `{"User": "7", "Env": ["A=i", "B=i"], "Entrypoint": ["o"], "ExposedPorts": null,
			"Labels": {"a": "i", "b": "i"}, "Healthcheck": {"Test": ["CMD", "i"], "Interval": 5}, "WorkingDir": "/o", "Volumes": {"/i": {}}}`,
	} {
		own, err := parse([]byte(text))
		require.NoError(t, err)
		from, err := parse([]byte(image))
		require.NoError(t, err)
		inherit(own, from)
		got, err := json.Marshal(own)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), text)
	}
}

func TestView(t *testing.T) {
	read := func(entries ...tartest.Entry) *tree.Node {
		f, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, f.Close()) })
		_, err = f.Write(archiveOf(t, entries...))
		require.NoError(t, err)
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		n, err := readDiff(f)
		require.NoError(t, err)
		return n
	}
	lower := &chainLayer{diff: read(tartest.Dir("a"), tartest.File("a/gone", ""), tartest.File("a/stays", ""), tartest.Dir("o"), tartest.File("o/hidden", ""), tartest.Dir("d"), tartest.File("d/x", ""),
		tartest.Symlink("etc", "usr"), tartest.Dir("proc"))}
	upper := &chainLayer{parent: lower, diff: read(tartest.File("a/.wh.gone", ""), tartest.File("a/new", ""), tartest.Dir("o"), tartest.File("o/.wh..wh..opq", ""), tartest.File("o/own", ""),
		tartest.File("d", "a file now"))}
	tr := newTree()
	view := tr.view(upper)
	require.Empty(t, tr.errs)
	var got []string
	for name := range view.Walk() {
		got = append(got, name)
	}
	require.Equal(t, []string{"", "a", "a/new", "a/stays", "d", "etc", "o", "o/own", "proc"}, got)
	require.Empty(t, view.Get("o").Xattrs)

	init, err := initLayer(view)
	require.NoError(t, err)
	got = nil
	for name, n := range init.Walk() {
		got = append(got, fmt.Sprintf("%s %s", name, n.Type))
	}
	require.Equal(t, []string{" directory", ".dockerenv regular file", "dev directory", "dev/console regular file", "dev/pts directory",
		"dev/shm directory", "etc directory", "etc/hostname regular file", "etc/hosts regular file", "etc/mtab symlink",
		"etc/resolv.conf regular file", "sys directory"}, got)
}

func TestDatabase(t *testing.T) {
	rows := [][2]string{{"a", "1"}, {"b", "2"}}
	first, err := database("volumes", rows)
	require.NoError(t, err)
	again, err := database("volumes", rows)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

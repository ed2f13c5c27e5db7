package create

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestDefaults(t *testing.T) {
	stage := Link{Target: "/stage"}
	tree := tree.New()
	got, err := defaults(tree, stage)
	require.NoError(t, err)
	require.Equal(t, docker.Defaults{}, got)

	put(t, tree, daemonFile, `{"log-driver": "local", "log-opts": {"max-size": "1m"}, "debug": true}`)
	got, err = defaults(tree, stage)
	require.NoError(t, err)
	require.Equal(t, docker.Defaults{LogType: "local", LogOpts: map[string]string{"max-size": "1m"}}, got)

	put(t, tree, "stage/exports/overlays/"+daemonFile, `{"default-runtime": "crun"}`)
	_, err = defaults(tree, stage)
	require.EqualError(t, err, "read /stage/exports/overlays/etc/docker/daemon.json: default-runtime: setting of Docker is not supported when containers are created at build time")

	put(t, tree, "stage/exports/overlays/"+daemonFile, `{`)
	_, err = defaults(tree, stage)
	require.EqualError(t, err, "read /stage/exports/overlays/etc/docker/daemon.json: unexpected end of JSON input")
}

func TestReadOutput(t *testing.T) {
	for line, want := range map[string]string{
		"Docker version 20.10.24+dfsg1, build 5d6db84": "1.41",
		"Docker version 26.1.5+dfsg1, build a72d7cd":   "1.45",
		"Docker version 99.0.1, build 0":               "",
		creating + "a":                                 "",
	} {
		r := newRecorder(nil, date)
		require.False(t, r.readOutput("warning"))
		require.False(t, r.isReady())
		r.readOutput(line)
		require.True(t, r.isReady())
		require.Equal(t, want, r.api, line)
	}
}

func TestCheckPrograms(t *testing.T) {
	tree := tree.New()
	put(t, tree, "usr/bin/docker", "")
	require.EqualError(t, checkPrograms(tree), "image lacks dockerd: install the packages docker.io, docker-cli and docker-compose")
	put(t, tree, "usr/sbin/dockerd", "")
	require.NoError(t, checkPrograms(tree))
}

package main

import (
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images/layout"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
)

func TestLayout(t *testing.T) {
	base, err := tartest.Of(tartest.File("base", ""))
	require.NoError(t, err)
	bases, dir := filepath.Join(t.TempDir(), "bases"), filepath.Join(t.TempDir(), "layout")
	require.EqualError(t, run(t.Context(), []string{"layout"}), usage)
	require.NoError(t, greeter().with(base).write(t.Context(), layout.Target{Path: bases, Tag: "other"}, ""))
	require.EqualError(t, run(t.Context(), []string{"layout", dir, bases}), bases+" has no image mosquitto; run: make containers")

	require.NoError(t, greeter().with(base).write(t.Context(), layout.Target{Path: bases, Tag: "mosquitto"}, ""))
	require.NoError(t, run(t.Context(), []string{"layout", dir, bases}))
	all, err := readIndex(dir)
	require.NoError(t, err)
	layers := map[string]int{}
	for _, d := range all {
		var m v1.Manifest
		require.NoError(t, readJSON(blobFile(dir, d.Digest), &m))
		layers[d.Annotations[v1.AnnotationRefName]] = len(m.Layers)
		require.FileExists(t, blobFile(dir, m.Layers[0].Digest))
	}
	require.Equal(t, map[string]int{"mosquitto:1": 1, "mosquitto:2": 2, "variety:1": 2}, layers)
}

func TestListLayers(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, listLayers(&out, t.TempDir()), "image/overlay2/layerdb/sha256: no such file or directory")
}

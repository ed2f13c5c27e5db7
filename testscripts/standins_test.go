package testscripts

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// imageOf writes a container image of one program in the layout of skopeo's dir:, and returns its manifest's digest.
func imageOf(t *testing.T, dir, name, program string, config string) string {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(program))}))
	_, err := w.Write([]byte(program))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.MkdirAll(dir, 0o755))
	blob := func(kind string, data []byte) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, digest.FromBytes(data).Encoded()), data, 0o644))
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"%s","size":%d}`, kind, digest.FromBytes(data), len(data))
	}
	config = fmt.Sprintf(`{"architecture":"arm64","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["%s"]}}`,
		config, digest.FromBytes(layer.Bytes()))
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`,
		blob("config.v1+json", []byte(config)), blob("layer.v1.tar", layer.Bytes()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(manifest), 0o644))
	return digest.FromString(manifest).String()
}

// standInImages writes a stand-in for each container image of the PlanktoScope's pallet, with one program that waits, and
// replaces the digests in the pallet's compose files. It returns the directory of each image by its name.
func standInImages(t *testing.T, dir, pallet string) map[string]string {
	t.Helper()
	list, err := os.ReadFile(needs.Shared(t, "golden/pallet-standard/ls-img.txt"))
	require.NoError(t, err)
	program := appProgram(t)
	places, renamed := map[string]string{}, []string{}
	for name := range strings.FieldsSeq(string(list)) {
		tagged, _, _ := strings.Cut(name, "@")
		place := filepath.Join(dir, fmt.Sprint(len(places)))
		config := fmt.Sprintf(`{"Entrypoint":["/main"],"Labels":{"stands-in-for":%q}}`, tagged)
		pinned := tagged + "@" + imageOf(t, place, "main", program, config)
		places[pinned] = place
		renamed = append(renamed, name, pinned)
	}
	require.NoError(t, filepath.WalkDir(pallet, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(e.Name(), "compose") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(strings.NewReplacer(renamed...).Replace(string(text))), 0o644)
	}))
	return places
}

// appProgram returns the program of the stand-ins, for arm64.
func appProgram(t *testing.T) string {
	t.Helper()
	binary, err := os.ReadFile(deviceProgram(t, "./testdata/waits"))
	require.NoError(t, err)
	return string(binary)
}

// deviceProgram compiles a program of the tests for arm64.
func deviceProgram(t *testing.T, pkg string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), filepath.Base(pkg))
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

package segmenter

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/plankton"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

var update = flag.Bool("update", false, "make testdata/reference.json.gz anew with /usr/bin/python3, python3-opencv and python3-skimage")

const goldenFile = "testdata/reference.json.gz"

// golden is what reference/reference.py found in the samples of services/plankton. NAME is a sample whose JPEG files the
// reference decoded with libjpeg, NAME-decoded one whose pictures it got as the segmenter decodes them.
type golden struct {
	Versions map[string]string             `json:"versions"`
	Checks   map[string]string             `json:"checks"` // SHA-256 of integrity.check of each sample
	DataSets map[string][]referencePicture `json:"datasets"`
}

// decodedSuffix is that of data sets with PNG files.
const decodedSuffix = "-decoded"

type referencePicture struct {
	Picture   string            `json:"picture"`
	Threshold int               `json:"threshold"`
	Objects   []referenceObject `json:"objects"`
}

type referenceObject struct {
	Features []float64      `json:"features"`
	Runs     []plankton.Run `json:"runs,omitempty"`
	Sum      string         `json:"sum,omitempty"` // instead of the runs of a decoded picture
}

// sumOf returns a checksum of runs.
func sumOf(runs []plankton.Run) string {
	sum := sha256.Sum256(fmt.Append(nil, runs))
	return hex.EncodeToString(sum[:6])
}

// readGolden reads the golden file, which it makes anew with -update.
func readGolden(t *testing.T, dirs []string) golden {
	t.Helper()
	if *update {
		writeGolden(t, dirs)
	}
	f, err := os.Open(goldenFile)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return g
}

// writeGolden runs the reference.
func writeGolden(t *testing.T, dirs []string) {
	t.Helper()
	all := slices.Clone(dirs)
	for _, dir := range dirs {
		all = append(all, decode(t, dir))
	}
	cmd := exec.Command("/usr/bin/python3", append([]string{"reference/reference.py"}, all...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	g := golden{Checks: map[string]string{}}
	require.NoError(t, json.Unmarshal(out, &g))
	for _, dir := range dirs {
		g.Checks[filepath.Base(dir)] = check(t, dir)
		for _, p := range g.DataSets[filepath.Base(dir)+decodedSuffix] {
			for i, o := range p.Objects {
				p.Objects[i].Runs, p.Objects[i].Sum = nil, sumOf(o.Runs)
			}
		}
	}
	data, err := json.Marshal(g)
	require.NoError(t, err)
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(goldenFile, b.Bytes(), 0o644))
}

// decode writes the pictures of a data set as PNG files to another one, and returns its directory.
func decode(t *testing.T, dir string) string {
	t.Helper()
	to := dir + decodedSuffix
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	names, err := dataset.Pictures(dir)
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.Remove(filepath.Join(to, name)))
		img, err := pictures.Open(context.Background(), filepath.Join(dir, name))
		if err != nil {
			continue // the broken one
		}
		rgb, err := pictures.NewFlat(context.Background(), []*image.YCbCr{img}, 1) // the median of one picture is that picture
		require.NoError(t, err)
		f, err := os.Create(filepath.Join(to, strings.TrimSuffix(name, ".jpg")+".png"))
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, rgb.Image()))
		require.NoError(t, f.Close())
	}
	return to
}

// check returns the SHA-256 sum of the integrity.check of a data set: it covers all pictures.
func check(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, dataset.IntegrityFile))
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// foundObject is an object with its pixels.
type foundObject struct {
	features Features
	runs     []plankton.Run
}

// runsOf returns the pixels of an object as those of the ground truth.
func runsOf(o *Object) []plankton.Run {
	var runs []plankton.Run
	for _, r := range o.Runs() {
		runs = append(runs, plankton.Run{Y: int(r.Y), X0: int(r.X0), X1: int(r.X1)})
	}
	return runs
}

// segmentAll segments a data set and returns the objects of each picture.
func segmentAll(t *testing.T, dir string, s Settings) map[string][]foundObject {
	t.Helper()
	objects := map[string][]foundObject{}
	_, err := Segment(context.Background(), dir, s, Options{Output: t.TempDir(), Path: "x", Events: func(e Event) {
		if e.Kind == ObjectFound {
			objects[e.Picture] = append(objects[e.Picture], foundObject{e.Object.Features, runsOf(e.Object)})
		}
	}})
	require.NoError(t, err)
	return objects
}

// TestReference compares the objects of ten samples with those that OpenCV and scikit-image find.
func TestReference(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the samples' bytes depend on the rounding of amd64")
	}
	var dirs []string
	for _, s := range plankton.Samples() {
		dir := filepath.Join(t.TempDir(), s.Name)
		require.NoError(t, s.Write(context.Background(), dir))
		dirs = append(dirs, dir)
	}
	g := readGolden(t, dirs)
	t.Logf("reference: %v", g.Versions)
	decoded, compressed := newComparison(), newComparison()
	for _, dir := range dirs {
		name := filepath.Base(dir)
		require.Equal(t, g.Checks[name], check(t, dir), "sample %s differs from that of %s: make that anew with go test ./services/segmenter -run TestReference -update", name, goldenFile)
		found := segmentAll(t, dir, Settings{})
		decoded.compareAll(name, g.DataSets[name+decodedSuffix], found)
		compressed.compareAll(name, g.DataSets[name], found)
	}
	t.Run("same pixels", decoded.requireEqual)
	t.Run("other decoder", compressed.requireClose)
}

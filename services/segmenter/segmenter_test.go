package segmenter

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// small writes a data set of small pictures.
func small(t testing.TB, pictures, broken int, change func(*plankton.Params)) string {
	t.Helper()
	p := plankton.Default()
	p.Width, p.Height, p.Objects, p.Dirt = 320, 240, 3, 0
	if change != nil {
		change(&p)
	}
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, plankton.Sample{Name: "small", Params: p, Pictures: pictures, Broken: broken}.Write(context.Background(), dir))
	return dir
}

// now is a clock that stands still.
func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// sums returns the checksums of all files in a directory.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		all[rel] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	}))
	return all
}

// TestSameBytes: the results depend neither on the number of workers nor on interruptions.
func TestSameBytes(t *testing.T) {
	dir := small(t, 12, 4, nil)
	segment := func(output string, workers int, ctx context.Context, events func(Event)) error {
		_, err := Segment(ctx, dir, Settings{EcoTaxa: true, Keep: true, Workers: workers}, Options{
			Output: output, Path: "a/b", Version: "1", Now: now, Events: events})
		return err
	}
	want := t.TempDir()
	require.NoError(t, segment(want, 1, context.Background(), nil))
	require.Greater(t, len(sums(t, want)), 20)

	several := t.TempDir()
	require.NoError(t, segment(several, 3, context.Background(), nil))
	require.Equal(t, sums(t, want), sums(t, several))

	interrupted, runs := t.TempDir(), 0
	var pictures []string
	for {
		ctx, cancel := context.WithCancel(context.Background())
		seen := 0
		err := segment(interrupted, 2, ctx, func(e Event) {
			if e.Kind == PictureDone || e.Kind == PictureSkipped {
				pictures = append(pictures, e.Picture)
				if seen++; seen == 3 {
					cancel()
				}
			}
		})
		cancel()
		if runs++; err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, 4, runs)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(pictures))), 12)
	require.Len(t, pictures, 12, "pictures segmented twice")
	require.Equal(t, sums(t, want), sums(t, interrupted))
}

// TestDamagedJournal: what a power cut left of a record is not used.
func TestDamagedJournal(t *testing.T) {
	dir := small(t, 4, 0, nil)
	want, got := t.TempDir(), t.TempDir()
	_, err := Segment(context.Background(), dir, Settings{}, Options{Output: want, Path: "x", Now: now})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	_, err = Segment(ctx, dir, Settings{}, Options{Output: got, Path: "x", Now: now, Events: func(e Event) {
		if e.Kind == PictureDone && e.Number == 3 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.Truncate(filepath.Join(got, "objects/x/.segmenter/000001.json"), 10))
	var again []int
	_, err = Segment(context.Background(), dir, Settings{}, Options{Output: got, Path: "x", Now: now, Events: func(e Event) {
		if e.Kind == PictureDone {
			again = append(again, e.Number)
		}
	}})
	require.NoError(t, err)
	require.Equal(t, []int{2, 3, 4}, again)
	require.Equal(t, sums(t, want), sums(t, got))
}

// TestOtherSettings begin anew: nothing of the earlier segmentation is left.
func TestOtherSettings(t *testing.T) {
	dir, output := small(t, 4, 0, nil), t.TempDir()
	first, err := Segment(context.Background(), dir, Settings{MinESD: 20}, Options{Output: output, Path: "x", Now: now})
	require.NoError(t, err)
	second, err := Segment(context.Background(), dir, Settings{MinESD: 120}, Options{Output: output, Path: "x", Now: now})
	require.NoError(t, err)
	require.Less(t, len(second.Objects), len(first.Objects))
	cutouts, err := filepath.Glob(filepath.Join(second.Dir, "*.jpg"))
	require.NoError(t, err)
	require.Len(t, cutouts, len(second.Objects))
}

func TestSkipped(t *testing.T) {
	dir := small(t, 5, 2, nil)
	names, err := dataset.Pictures(dir)
	require.NoError(t, err)
	img, _ := plankton.New(plankton.Params{Width: 64, Height: 48, PixelSize: 1, Thickness: 1}).Picture(plankton.View{Light: 1})
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, nil))
	require.NoError(t, os.WriteFile(filepath.Join(dir, names[3]), b.Bytes(), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, names[4]), []byte("text"), 0o644))
	r, err := Segment(context.Background(), dir, Settings{}, Options{Output: t.TempDir(), Path: "x"})
	require.NoError(t, err)
	require.Equal(t, 2, r.Pictures)
	require.Equal(t, []Skipped{
		{names[1], "JPEG file is incomplete"},
		{names[3], "picture has 64×48 pixels, want 320×240 as the first one"},
		{names[4], "invalid JPEG format: missing SOI marker"},
	}, r.Skipped)
}

// TestTable reads the table and the archive.
func TestTable(t *testing.T) {
	dir := small(t, 3, 0, nil)
	r, err := Segment(context.Background(), dir, Settings{EcoTaxa: true, ProcessID: "9"}, Options{Output: t.TempDir(), Path: "x", Version: "1", Now: now})
	require.NoError(t, err)
	data, err := os.ReadFile(r.Table)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	require.Len(t, lines, 2+len(r.Objects))
	names := strings.Split(lines[0], "\t")
	cell := func(row int, name string) string { return strings.Split(lines[row], "\t")[slices.Index(names, name)] }
	for _, line := range lines {
		require.Equal(t, len(names), strings.Count(line, "\t")+1)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), "column twice")
	for name, want := range map[string]string{
		"sample_project": "[t]", "acq_minimum_mesh": "[f]", "object_area": "[f]", "object_id": "[t]", "img_rank": "[f]", "object_date": "[t]",
	} {
		require.Equal(t, want, cell(1, name), name)
	}
	for name, want := range map[string]string{
		"sample_project": "synthetic", "process_id": "synthetic_simulated_9", "process_datetime": "2026-01-02T03:04:05.000000",
		"object_id": r.Objects[0].Name, "img_file_name": r.Objects[0].Name + ".jpg", "img_rank": "1",
		"object_area": fmt.Sprint(r.Objects[0].Features.Of("area")), "process_3rd_operation": "{'type': 'threshold', 'parameters': 'triangle'}",
	} {
		require.Equal(t, want, cell(2, name), name)
	}
	z, err := zip.OpenReader(r.Archive)
	require.NoError(t, err)
	defer z.Close()
	require.Len(t, z.File, len(r.Objects)+1)
	for _, f := range z.File {
		require.Equal(t, zip.Store, f.Method)
		require.NotContains(t, f.Name, "/")
	}
	require.Equal(t, "ecotaxa_small.tsv", z.File[len(z.File)-1].Name)
}

// TestSameAcquisition: two samples have acquisitions of the same name.
func TestSameAcquisition(t *testing.T) {
	dir, output := small(t, 1, 0, nil), t.TempDir()
	for _, test := range []struct{ path, archive string }{
		{"20260101/a/small", "ecotaxa_small.zip"},
		{"20260101/b/small", "ecotaxa_20260101_b_small.zip"},
		{"20260101/a/small", "ecotaxa_small.zip"},
	} {
		r, err := Segment(context.Background(), dir, Settings{EcoTaxa: true}, Options{Output: output, Path: test.path})
		require.NoError(t, err)
		require.Equal(t, test.archive, filepath.Base(r.Archive))
	}
}

// TestColumnLimits has one column too many for each of EcoTaxa's limits.
func TestColumnLimits(t *testing.T) {
	for prefix, test := range map[string]struct {
		value any
		most  int
		want  string
	}{
		"sample_":  {"x", 30, "31 columns begin with sample_, EcoTaxa takes 30: remove some from metadata.json"},
		"acq_":     {1, 30, "31 columns begin with acq_, EcoTaxa takes 30: remove some from metadata.json"},
		"process_": {1, 20, "31 columns begin with process_, EcoTaxa takes 30: remove some from metadata.json"}, // and ten of ours
		"object_":  {"x", 20, "21 text columns begin with object_, EcoTaxa takes 20: remove some from metadata.json"},
		"object_f": {1, 465, "501 columns begin with object_, EcoTaxa takes 500: remove some from metadata.json"},
	} {
		m := &dataset.Metadata{}
		for i := range test.most {
			m.Set(fmt.Sprintf("%s%d", prefix, i), test.value)
		}
		_, err := newTable(m, Settings{}, header{})
		require.NoError(t, err, prefix)
		m.Set(prefix+"more", test.value)
		_, err = newTable(m, Settings{}, header{})
		require.EqualError(t, err, test.want)
	}
}

func TestTableReplacesSeparators(t *testing.T) {
	m := &dataset.Metadata{}
	m.Set("sample_id", "a\tb\nc")
	m.Set("object_area", "of a hostile client")
	m.Set("other", "x")
	table, err := newTable(m, Settings{}, header{})
	require.NoError(t, err)
	text := string(table.write(nil))
	require.Equal(t, 2, strings.Count(text, "\n"))
	require.NotContains(t, text, "other")
	require.Equal(t, 1, strings.Count(text, "object_area\t"))
}

func TestRefused(t *testing.T) {
	dir := small(t, 1, 0, nil)
	write := func(key string, value any) string {
		m, err := dataset.ReadMetadata(dir)
		require.NoError(t, err)
		m.Set(key, value)
		to := t.TempDir()
		require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
		data, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, dataset.MetadataFile), data, 0o644))
		return to
	}
	for want, test := range map[string]struct {
		dir string
		s   Settings
	}{
		"metadata: process_pixel is 0, want the size of a pixel in µm":                   {write("process_pixel", 0), Settings{}},
		`metadata: process_pixel is "x", want a number: it is the size of a pixel in µm`: {write("process_pixel", "x"), Settings{}},
		"metadata: acq_minimum_mesh is -1, want the size of the smallest object in µm":   {write("acq_minimum_mesh", -1), Settings{}},
		`method is "x", want standard or adaptive`:                                       {dir, Settings{Method: "x"}},
		"memory limit is 1 MB: pictures of 320×240 pixels need 66 MB":                    {dir, Settings{Memory: 1 << 20}},
		"number of workers is -1, want at least 1":                                       {dir, Settings{Workers: -1}},
	} {
		_, err := Segment(context.Background(), test.dir, test.s, Options{Output: t.TempDir()})
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "2026-01-01_12-00-00-000000.jpg")))
	_, err := Segment(context.Background(), dir, Settings{}, Options{Output: t.TempDir()})
	require.EqualError(t, err, "data set "+dir+" has no pictures")
}

func TestSchedule(t *testing.T) {
	s := &schedule{}
	var changes []int
	for i, n := range []int{5, 5, 25, 31, 5, 40} {
		if s.add(i, 6, n) {
			changes = append(changes, i, s.first)
		}
	}
	// 25 is not above 5 + 20; 31 is not above 11.7 + 20; the last picture has no successor.
	require.Empty(t, changes)
	s = &schedule{}
	require.True(t, s.add(0, 3, 21))
	require.Equal(t, 1, s.first)
	require.False(t, s.add(1, 3, 41))
	require.InDelta(t, 31, s.mean, 1e-9)
}

// TestWorkers: the number of workers depends on the memory.
func TestWorkers(t *testing.T) {
	s := Settings{Workers: 4, Memory: DefaultMemory}
	n, err := s.workers(4056, 3040)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	s.Memory = 2 << 30
	n, err = s.workers(4056, 3040)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	s.Memory = 250 << 20
	_, err = s.workers(4056, 3040)
	require.EqualError(t, err, "memory limit is 250 MB: pictures of 4056×3040 pixels need 311 MB")
}

// TestSubtractMasks: an object at the same place of two pictures counts in the first one only.
func TestSubtractMasks(t *testing.T) {
	dir := small(t, 8, 0, nil)
	names, err := dataset.Pictures(dir)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, names[0]))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "3.jpg"), data, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "4.jpg"), data, 0o644))
	last := func(s Settings) int {
		n := 0
		_, err := Segment(context.Background(), dir, s, Options{Output: t.TempDir(), Events: func(e Event) {
			if e.Kind == ObjectFound && e.Picture == "4.jpg" {
				n++
			}
		}})
		require.NoError(t, err)
		return n
	}
	require.Positive(t, last(Settings{}))
	require.Zero(t, last(Settings{SubtractMasks: true}))
}

// TestWaitFails: a wait that ends with an error ends the segmentation.
func TestWaitFails(t *testing.T) {
	want := errors.New("no")
	_, err := Segment(context.Background(), small(t, 2, 0, nil), Settings{}, Options{Output: t.TempDir(), Wait: func(context.Context) error { return want }})
	require.ErrorIs(t, err, want)
}

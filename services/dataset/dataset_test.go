package dataset

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func metadata(t testing.TB, text string) *Metadata {
	t.Helper()
	m := &Metadata{}
	require.NoError(t, m.UnmarshalJSON([]byte(text)))
	return m
}

func create(t *testing.T) *Writer {
	t.Helper()
	w, err := Create(context.Background(), filepath.Join(t.TempDir(), "20260101", "s", "a"), metadata(t, `{"acq_id":"a"}`))
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

func TestFileName(t *testing.T) {
	for id, want := range map[string]string{"a b": "a_b", "'x'": "x", "Tara_1": "Tara_1", "é,": "é,"} {
		got, err := FileName("sample_id", id)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for id, want := range map[string]string{
		"":                       `sample_id is empty`,
		"''":                     `sample_id is empty`,
		"a/b":                    `sample_id "a/b": slashes and control characters are not allowed`,
		"a\x00b":                 `sample_id "a\x00b": slashes and control characters are not allowed`,
		"..":                     `sample_id "..": a dot at the beginning is not allowed`,
		strings.Repeat("x", 256): `sample_id is longer than 255 bytes`,
	} {
		_, err := FileName("sample_id", id)
		require.EqualError(t, err, want)
	}
}

func TestPath(t *testing.T) {
	got, err := Path(metadata(t, `{"sample_id":"my sample","object_date":"20260102","acq_id":7}`))
	require.NoError(t, err)
	require.Equal(t, "20260102/my_sample/7", got)
	_, err = Path(metadata(t, `{"sample_id":"s","acq_id":"a"}`))
	require.EqualError(t, err, "object_date is empty")
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"b/x", "a", ".hidden", "empty"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
		if sub != "empty" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, sub, MetadataFile), nil, 0o644))
		}
	}
	found, err := Find(dir, true)
	require.NoError(t, err)
	require.Equal(t, []string{dir + "/a", dir + "/b/x"}, found)
	found, err = Find(dir, false)
	require.NoError(t, err)
	require.Empty(t, found)
	found, err = Find(dir+"/a", false)
	require.NoError(t, err)
	require.Equal(t, []string{dir + "/a"}, found)
	_, err = Find(dir+"/missing", true)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestSHA1 compares the sum with that of sha1sum.
func TestSHA1(t *testing.T) {
	e, err := NewEntry("a.jpg", strings.NewReader("content"))
	require.NoError(t, err)
	cmd := exec.Command("sha1sum")
	cmd.Stdin = strings.NewReader("a.jpg\x00content")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, strings.Fields(string(out))[0], e.SHA1)
	require.EqualValues(t, 7, e.Size)
}

func TestWriter(t *testing.T) {
	w := create(t)
	_, err := w.Add("2026.jpg", []byte("picture"))
	require.NoError(t, err)
	require.NoError(t, Verify(w.Dir()))
	_, err = w.Add("2026.jpg", []byte("other"))
	require.ErrorContains(t, err, "2026.jpg exists")
	_, err = w.Add("../x.jpg", nil)
	require.EqualError(t, err, `picture "../x.jpg": want a file name that ends with .jpg`)
	_, err = Create(context.Background(), w.Dir(), &Metadata{})
	require.ErrorIs(t, err, ErrExists)

	require.NoError(t, os.WriteFile(filepath.Join(w.Dir(), "2026.jpg"), []byte("pictura"), 0o644))
	require.ErrorContains(t, Verify(w.Dir()), "2026.jpg has SHA-1 sum")
	require.NoError(t, os.WriteFile(filepath.Join(w.Dir(), "2026.jpg"), []byte("p"), 0o644))
	require.ErrorContains(t, Verify(w.Dir()), "2026.jpg has 1 bytes, want 7")
}

// TestContinueAfterPowerCut has every state that a power cut can leave after one confirmed picture.
func TestContinueAfterPowerCut(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, dir string){
		"complete": func(*testing.T, string) {},
		"incomplete line": func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, IntegrityFile), "2.jpg,1")
		},
		"temporary picture": func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "2.jpg.tmp"), "x") },
		"unlisted picture":  func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "2.jpg"), "second") },
	} {
		t.Run(name, func(t *testing.T) {
			w := create(t)
			_, err := w.Add("1.jpg", []byte("first"))
			require.NoError(t, err)
			cut(t, w.Dir())
			require.NoError(t, MarkDone(w.Dir(), time.Unix(0, 0)))

			again, err := Continue(w.Dir())
			require.NoError(t, err)
			done, err := IsDone(w.Dir())
			require.NoError(t, err)
			require.False(t, done, "its pictures are not all segmented")
			defer again.Close()
			_, err = again.Add("3.jpg", []byte("third"))
			require.NoError(t, err)
			require.NoError(t, Verify(w.Dir()))
			want := []string{MetadataFile, "1.jpg", "3.jpg"}
			if name == "unlisted picture" {
				want = []string{MetadataFile, "1.jpg", "2.jpg", "3.jpg"}
			}
			var names []string
			for _, e := range again.Entries() {
				names = append(names, e.Name)
			}
			require.Equal(t, want, names)
			require.NoFileExists(t, filepath.Join(w.Dir(), "2.jpg.tmp"))
			data, err := os.ReadFile(filepath.Join(w.Dir(), IntegrityFile))
			require.NoError(t, err)
			require.Equal(t, len(want)+2, bytes.Count(data, []byte("\n")))
		})
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestReadIntegrityRefuses(t *testing.T) {
	sum := strings.Repeat("0", 40)
	for line, want := range map[string]string{
		"x":                `integrity.check line 1: "x" is not filename,size,sha1`,
		"a,-1," + sum:      `integrity.check line 1: size "-1" is not a number`,
		"a,1,00":           `integrity.check line 1: "00" is not a SHA-1 sum`,
		"../a,1," + sum:    `integrity.check line 1: "../a" is not a file name`,
		"# x\n,1," + sum:   `integrity.check line 2: "" is not a file name`,
		"#\n\n..,1," + sum: `integrity.check line 3: ".." is not a file name`,
	} {
		_, _, err := ReadIntegrity(strings.NewReader(line + "\n"))
		require.EqualError(t, err, want)
	}
	entries, _, err := ReadIntegrity(strings.NewReader("a,b,1," + sum + "\n"))
	require.NoError(t, err)
	require.Equal(t, []Entry{{"a,b", 1, sum}}, entries)
}

func TestMetadata(t *testing.T) {
	const text = `{"z":1.50,"a":"x<","n":null,"o":{"k":[true]},"z":2.0}`
	m := metadata(t, text)
	require.Equal(t, []string{"z", "a", "n", "o"}, m.Keys())
	require.Equal(t, "2.0", m.Text("z"))
	require.Equal(t, "", m.Text("n"))
	require.Equal(t, `{"k":[true]}`, m.Text("o"))
	require.True(t, m.IsNumber("z"))
	require.False(t, m.IsNumber("a"))
	c := m.Clone()
	c.Set("b", 3)
	require.False(t, m.Has("b"))
	data, err := metadata(t, `{"z":1.50,"a":"x<"}`).Indented()
	require.NoError(t, err)
	require.Equal(t, "{\n    \"z\": 1.50,\n    \"a\": \"x<\"\n}", string(data))

	_, err = m.Float("a")
	require.EqualError(t, err, `a is "x<", want a number`)
	_, err = m.Float("missing")
	require.EqualError(t, err, `missing is missing`)
	f, err := metadata(t, `{"v":" 0.75 "}`).Float("v")
	require.NoError(t, err)
	require.Equal(t, 0.75, f)

	for text, want := range map[string]string{
		"":        "unexpected EOF",
		`[1]`:     "want a JSON object",
		`{"a":1`:  "unexpected EOF",
		`{} {}`:   "data after the JSON object",
		`{"a":x}`: "invalid character 'x' looking for beginning of value",
	} {
		require.EqualError(t, (&Metadata{}).UnmarshalJSON([]byte(text)), want, text)
	}
}

func TestDone(t *testing.T) {
	dir := t.TempDir()
	done, err := IsDone(dir)
	require.NoError(t, err)
	require.False(t, done)
	require.NoError(t, MarkDone(dir, time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)))
	done, err = IsDone(dir)
	require.NoError(t, err)
	require.True(t, done)
	data, err := os.ReadFile(filepath.Join(dir, DoneFile))
	require.NoError(t, err)
	require.Equal(t, "2026-01-02T03:04:05.000006", string(data))
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[null,{"c":"d"}],"a":2}`))
	f.Add([]byte(`{"object_date":"20260101","sample_id":"../x","acq_id":1e400}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &Metadata{}
		if m.UnmarshalJSON(data) != nil {
			return
		}
		out, err := m.Indented()
		require.NoError(t, err)
		again := &Metadata{}
		require.NoError(t, again.UnmarshalJSON(out))
		require.Equal(t, m.Keys(), again.Keys())
		if path, err := Path(m); err == nil {
			require.True(t, filepath.IsLocal(path), path)
		}
	})
}

func FuzzReadIntegrity(f *testing.F) {
	f.Add([]byte("# x\na.jpg,1," + strings.Repeat("a", 40) + "\nb.jpg,2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, size, err := ReadIntegrity(bytes.NewReader(data))
		if err != nil {
			return
		}
		require.LessOrEqual(t, size, int64(len(data)))
		for _, e := range entries {
			again, err := parseEntry(e.String())
			require.NoError(t, err)
			require.Equal(t, e, again)
		}
	})
}

package transfer

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// part is a member of a file.
type part struct {
	header tar.Header
	data   []byte
}

func parts(t testing.TB, data []byte) (all []part) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		all = append(all, part{*h, content})
	}
}

func packed(t testing.TB, all []part) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, p := range all {
		p.header.Size = int64(len(p.data))
		require.NoError(t, w.WriteHeader(&p.header))
		_, err := w.Write(p.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// indexed returns the file with an index that matches its members, apart from a change.
func indexed(t testing.TB, all []part, change func(*Index)) []byte {
	t.Helper()
	last := &all[len(all)-1]
	x, err := parseIndex(last.data)
	require.NoError(t, err)
	x.Members = nil
	for _, p := range all[:len(all)-1] {
		x.Members = append(x.Members, Member{p.header.Name, int64(len(p.data)), digest.FromBytes(p.data)})
	}
	change(&x)
	last.data, err = json.Marshal(x)
	require.NoError(t, err)
	return packed(t, all)
}

func find(all []part, prefix string) *part {
	for n := range all {
		if strings.HasPrefix(all[n].header.Name, prefix) {
			return &all[n]
		}
	}
	return nil
}

func TestHostileFiles(t *testing.T) {
	valid := exported(t, true)
	same := func(*Index) {}
	var bundle bytes.Buffer
	w := tar.NewWriter(&bundle)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "../1/forklift-bundle.yml", Mode: 0o644}))
	require.NoError(t, w.Close())
	for name, test := range map[string]struct {
		change  func(all []part) []byte
		wantErr string
	}{
		"a link": {func(all []part) []byte {
			return packed(t, append([]part{{tar.Header{Name: "layers/x.tar", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil}}, all...))
		}, `member "layers/x.tar" is not a regular file without PAX records`},
		"PAX records": {func(all []part) []byte {
			all[0].header.PAXRecords, all[0].header.Format = map[string]string{"VENDOR.x": "y"}, tar.FormatPAX
			return packed(t, all)
		}, `member "bundle.tar" is not a regular file without PAX records`},
		"duplicate member":       {func(all []part) []byte { return packed(t, append(all[:1:1], all...)) }, `member "bundle.tar" exists twice`},
		"unlisted member":        {func(all []part) []byte { return packed(t, append([]part{{tar.Header{Name: "../x"}, nil}}, all...)) }, "file has other members than its export.json lists"},
		"member after the index": {func(all []part) []byte { return packed(t, append(all, part{tar.Header{Name: "x"}, nil})) }, "not an exported stage, or incomplete"},
		"listed path out": {func(all []part) []byte {
			return indexed(t, append([]part{{tar.Header{Name: "../x"}, nil}}, all...), same)
		}, `member "../x" is listed twice, or not used`},
		"no bundle":       {func(all []part) []byte { return indexed(t, all[1:], same) }, "file lacks the member bundle.tar"},
		"another version": {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Version = 2 }) }, "version is 2, want 1: a newer pkctl may read it"},
		"invalid digest":  {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Bundle = "md5:1" }) }, `bundle: "md5:1" is not a SHA-256 digest`},
		"no name":         {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Images[0].Names = nil }) }, "has no name"},
		"a name that is an option": {func(all []part) []byte {
			return indexed(t, all, func(x *Index) { x.Images[0].Names = []string{"--force"} })
		}, `"--force" is not a full image name`},
		"too many layers": {func(all []part) []byte {
			return indexed(t, all, func(x *Index) { x.Images[0].Layers = make([]digest.Digest, 129) })
		}, "has 129 layers: at most 128 are allowed"},
		"huge size": {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Layers[0].Size = 1 << 50 }) }, "has the invalid size of 1125899906842624 bytes"},
		"a size beyond the disk": {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Layers[0].Size = 1 << 39 }) },
			"too little space in /docker"},
		"a layer of a smaller size": {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Layers[0].Size-- }) }, "bytes that export.json lists"},
		"a layer elsewhere":         {func(all []part) []byte { return indexed(t, all, func(x *Index) { x.Layers[0].Member = "bundle.tar" }) }, `is in the member "bundle.tar"`},
		"a layer of no image": {func(all []part) []byte {
			return indexed(t, all, func(x *Index) { x.Layers = append(x.Layers, x.Layers[0]) })
		}, "is listed twice, or belongs to no image"},
		"other layers": {func(all []part) []byte {
			return indexed(t, all, func(x *Index) {
				x.Images[0].Layers[0], x.Images[0].Layers[1] = x.Images[0].Layers[1], x.Images[0].Layers[0]
			})
		}, "image has other layers than the file's export.json lists"},
		"a damaged layer": {func(all []part) []byte {
			p := find(all, layerPrefix)
			p.data[len(p.data)/2] ^= 1
			return packed(t, all)
		}, "layers/"},
		"a layer that is another one": {func(all []part) []byte {
			find(all, layerPrefix).data = []byte("not what it was")
			return indexed(t, all, same)
		}, "layers/"},
		"a configuration that is another one": {func(all []part) []byte {
			find(all, configPrefix).data = []byte("{}")
			return indexed(t, all, same)
		}, "has another digest than its name"},
		"a damaged configuration": {func(all []part) []byte {
			find(all, configPrefix).data[0] = 'x'
			return packed(t, all)
		}, "is damaged: SHA-256 is"},
		"a bundle that leads out": {func(all []part) []byte {
			all[0].data = bundle.Bytes()
			return indexed(t, all, same)
		}, `bundle has the invalid path "../1/forklift-bundle.yml"`},
		"an index without an end": {func(all []part) []byte {
			all[len(all)-1].data = []byte(`{"version": 1`)
			return packed(t, all)
		}, "parse export.json: unexpected EOF"},
		"an index with more": {func(all []part) []byte {
			all[len(all)-1].data = []byte(`{"version": 1, "script": "x"}`)
			return packed(t, all)
		}, `parse export.json: json: unknown field "script"`},
	} {
		t.Run(name, func(t *testing.T) {
			data := test.change(parts(t, valid))
			d := newFake()
			m := Importer{Docker: d, Store: t.TempDir(), Notify: func(Event) {}, Space: func(string) (Space, error) {
				return Space{Free: 1 << 30}, nil
			}}
			file, err := Read(bytes.NewReader(data))
			if err == nil {
				_, err = m.Plan(t.Context(), file)
			}
			require.ErrorContains(t, err, test.wantErr)
			require.Zero(t, d.loads)
		})
	}
}

func TestHostileBundles(t *testing.T) {
	for name, test := range map[string]struct {
		entries []tar.Header
		wantErr string
	}{
		"absolute":       {[]tar.Header{{Name: "/etc/passwd"}}, `bundle has the invalid path "/etc/passwd"`},
		"out":            {[]tar.Header{{Name: "a/../../x"}}, `bundle has the invalid path "a/../../x"`},
		"itself":         {[]tar.Header{{Name: "./", Typeflag: tar.TypeDir}}, `bundle has the invalid path "./"`},
		"through a link": {[]tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../../1"}, {Name: "a/x"}}, "bundle entry a/x is below a, which is not a directory"},
		"through a file": {[]tar.Header{{Name: "a"}, {Name: "a/x"}}, "bundle entry a/x is below a, which is not a directory"},
		"no directory":   {[]tar.Header{{Name: "a/x"}}, "bundle entry a/x is below a, which is not a directory"},
		"twice":          {[]tar.Header{{Name: "a", Typeflag: tar.TypeDir}, {Name: "a/"}}, "bundle has the path a twice"},
		"a hard link":    {[]tar.Header{{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}}, "neither a file nor a directory nor a symlink"},
		"a device":       {[]tar.Header{{Name: "a", Typeflag: tar.TypeBlock}}, "neither a file nor a directory nor a symlink"},
		"attributes":     {[]tar.Header{{Name: "a", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x"}}}, "bundle entry a has the PAX record"},
		"a long path":    {[]tar.Header{{Name: strings.Repeat("a", 5000)}}, "more than 4096 bytes"},
		"no manifest":    {[]tar.Header{{Name: "digests.json"}}, "bundle lacks its metadata files forklift-bundle.yml or digests.json"},
		"a manifest that is a link": {[]tar.Header{{Name: "forklift-bundle.yml", Typeflag: tar.TypeSymlink, Linkname: "x"}},
			"not a regular file of at most"},
		"a layer that is a link": {[]tar.Header{{Name: "exports", Typeflag: tar.TypeDir}, {Name: "exports/overlays", Typeflag: tar.TypeDir},
			{Name: "exports/overlays/etc", Typeflag: tar.TypeSymlink, Linkname: "/"}}, "bundle has exports/overlays/etc, which must be a directory and is not"},
		"other digests": {[]tar.Header{{Name: "forklift-bundle.yml"}, {Name: "digests.json"}}, "bundle does not match its digests.json"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := tar.NewWriter(&out)
			for _, h := range test.entries {
				require.NoError(t, w.WriteHeader(&h))
			}
			require.NoError(t, w.Close())
			_, _, _, err := inspectBundle(&out)
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

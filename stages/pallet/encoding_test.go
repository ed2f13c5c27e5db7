package pallet

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// utf16Text encodes text in UTF-16 with a byte order mark.
func utf16Text(order binary.ByteOrder) func(string) string {
	return func(text string) string {
		var out bytes.Buffer
		_ = binary.Write(&out, order, utf16.Encode([]rune("\ufeff"+text))) // a bytes.Buffer does not fail
		return out.String()
	}
}

// TestEncodings reads all files of a pallet in the encodings of YAML that Forklift reads.
func TestEncodings(t *testing.T) {
	const files = twoApps + "-- deployments/c.deploy.yml --\npackage: example.org/base/packages/y\n" +
		"-- features/é.feature.yml --\nmodifiers: [{target: /packages/a}]\n"
	required := requiring("example.org/base", "modifiers:\n- {type: add-feature, source: x}\n") // with features of base
	for name, encode := range map[string]func(string) string{
		"CRLF":                     func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"byte order mark":          func(s string) string { return "\ufeff" + s },
		"byte order mark and CRLF": func(s string) string { return "\ufeff" + strings.ReplaceAll(s, "\n", "\r\n") },
		"UTF-16LE":                 utf16Text(binary.LittleEndian),
		"UTF-16BE":                 utf16Text(binary.BigEndian),
	} {
		t.Run(name, func(t *testing.T) {
			base := write(t, basePallet)
			dir := write(t, strings.Replace(files, "IMAGE", "x/log:2", 1), required)
			plain, err := Reader{Resolver: others{"example.org/base": base}}.Read(t.Context(), dir)
			require.NoError(t, err)
			want, err := plain.Bundle(t.Context(), Options{})
			require.NoError(t, err)
			encodeFiles(t, dir, encode)
			encodeFiles(t, base, encode)
			p, err := Reader{Resolver: others{"example.org/base": base}}.Read(t.Context(), dir)
			require.NoError(t, err)
			got, err := p.Bundle(t.Context(), Options{})
			require.NoError(t, err)
			require.Equal(t, string(want.Manifest), string(got.Manifest))
			require.NoError(t, Edit{Dir: dir}.SetDisabled(t.Context(), "a", true))
			p, err = Reader{Resolver: others{"example.org/base": base}}.Read(t.Context(), dir)
			require.NoError(t, err)
			require.True(t, p.Deployments[0].Disabled)
		})
	}
}

// encodeFiles rewrites all YAML files of a directory.
func encodeFiles(t *testing.T, dir string, encode func(string) string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yml" {
			return err
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		return os.WriteFile(name, []byte(encode(string(data))), 0o644)
	}))
}

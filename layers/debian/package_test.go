package debian

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const digest = "34ee90679b018c0e64234747a4c4c0ae6b7f63541115037465a8627c2dfbc594"

func TestParseURIs(t *testing.T) {
	const url = "http://deb.example/pool/main/v/vim/vim_9.1.1230-2_arm64.deb"
	tests := map[string]struct {
		output string
		want   []Package
		err    string
	}{
		"nothing to do": {output: "Reading package lists...\n0 upgraded, 0 newly installed\n"},
		"epoch": {
			output: "Reading package lists...\n'" + url + "' vim_2%3a9.1.1230-2_arm64.deb 1776 SHA256:" + digest + "\n",
			want: []Package{{Name: "vim", Version: "2:9.1.1230-2", Architecture: "arm64",
				URL: url, SHA256: digest, Size: 1776}},
		},
		"no SHA-256": {
			output: "'" + url + "' vim_1_arm64.deb 1776 MD5Sum:52dfbf15cfc7959c048a3a01d8742c48\n",
			err:    "apt prints a file without a SHA-256: '" + url + "' vim_1_arm64.deb 1776 MD5Sum:52dfbf15cfc7959c048a3a01d8742c48",
		},
		"name": {
			output: "'" + url + "' vim.deb 1776 SHA256:" + digest + "\n",
			err:    "apt prints a file name that is not NAME_VERSION_ARCHITECTURE.deb: vim.deb",
		},
		"version": {
			output: "'" + url + "' vim_2%zz_all.deb 1776 SHA256:" + digest + "\n",
			err:    `version in vim_2%zz_all.deb: invalid URL escape "%zz"`,
		},
		"size": {
			output: "'" + url + "' vim_2_all.deb 99999999999999999999 SHA256:" + digest + "\n",
			err: "size in \"'" + url + "' vim_2_all.deb 99999999999999999999 SHA256:" + digest +
				"\": strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseURIs(test.output)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func FuzzParseURIs(f *testing.F) {
	f.Add("'http://a/b_1_all.deb' b_1_all.deb 12 SHA256:" + digest + "\n")
	f.Add("'")
	f.Fuzz(func(t *testing.T, output string) {
		pkgs, err := parseURIs(output)
		for _, p := range pkgs {
			require.NoError(t, err)
			require.NotEmpty(t, p.URL)
			require.Len(t, p.SHA256, 64)
			require.GreaterOrEqual(t, strings.Count(output, "'"), 2)
		}
	})
}

func TestPackageName(t *testing.T) {
	for request, want := range map[string]string{
		"vim": "vim", "vim:arm64": "vim", "linux-image-arm64/trixie-backports": "linux-image-arm64", "vim:arm64/trixie": "vim",
	} {
		require.Equal(t, want, PackageName(request))
	}
}

func TestMirrored(t *testing.T) {
	given := []Repository{{Name: "backports", URIs: []string{DefaultMirror + "/", "http://other.example"}}, {Name: "x", URIs: []string{"file:///x"}}}
	got := mirrored(given, "http://mirror.example")
	require.Equal(t, []string{"http://mirror.example", "http://other.example"}, got[0].URIs)
	require.Equal(t, []string{"file:///x"}, got[1].URIs)
	require.Equal(t, DefaultMirror+"/", given[0].URIs[0], "the layer's own list stays")
}

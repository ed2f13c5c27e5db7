package ext4

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

var featuresLine = regexp.MustCompile(`(?m)^Filesystem features: +(.*)$`)

// dumpFeatures returns the features that dumpe2fs prints.
func dumpFeatures(t *testing.T, image string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(needs.Program(t, "dumpe2fs"), append(args, "-h", image)...)
	out, err := cmd.CombinedOutput() // which fails on a journal device, behind the features
	match := featuresLine.FindStringSubmatch(string(out))
	require.NotNil(t, match, "%s: %v: %s", cmd, err, out)
	return strings.Fields(match[1])
}

// Each bit has the name that dumpe2fs gives it.
func TestFeatureNamesAgreeWithDumpe2fs(t *testing.T) {
	seed := seedImage(t, "today")
	image := filepath.Join(t.TempDir(), "image")
	for bit := range 32 {
		d := newDamaged(t, seed)
		d.super(func(sb *superblock) {
			sb.FeatureCompat, sb.FeatureIncompat, sb.FeatureROCompat = 1<<bit, 1<<bit, 1<<bit
		})
		require.NoError(t, os.WriteFile(image, d.image, 0o600))
		sb := decode[superblock](d.image[superblockOffset:])
		require.Equal(t, dumpFeatures(t, image, "-f"), sb.features(), "bit %d", bit)
	}
}

// Read reads file systems with the features that do not change where data lies, and names the others.
func TestReadEachFeature(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("content "), 3000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), content, 0o600))
	for feature, readable := range map[string]bool{
		"sparse_super2": true, "64bit": true, "^64bit": true, "ea_inode": true, "orphan_file": true, "large_dir": true,
		"metadata_csum_seed": true, "verity": true, "quota": true, "project,quota": true, "mmp": true, "fast_commit": true,
		"stable_inodes": true, "^metadata_csum,uninit_bg": true, "^flex_bg": true, "^has_journal": true, "^resize_inode": true,
		"inline_data": false, "encrypt": false, "casefold": false, "meta_bg,^resize_inode": false, "bigalloc": false,
	} {
		image := filepath.Join(t.TempDir(), "image")
		tool(t, "mke2fs", "-qt", "ext4", "-O", feature, "-d", dir, image, "16M")
		f, err := os.Open(image)
		require.NoError(t, err)
		defer f.Close()
		files, err := Read(t.Context(), f, 0, 16<<20)
		if !readable {
			name, _, _ := strings.Cut(feature, ",")
			require.EqualError(t, err, "ext4 feature "+name+" is not supported: copy the files to a file system without it, "+
				"as with mke2fs -t ext4 -O ^"+name+" -d DIRECTORY")
			continue
		}
		require.NoError(t, err, feature)
		got, err := files.ReadFile("file")
		require.NoError(t, err, feature)
		require.True(t, bytes.Equal(content, got), feature)
	}
}

package fat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocate(t *testing.T) {
	fs, err := Prepare(bootFiles(t), testOptions)
	require.NoError(t, err)
	place := func(name string) int64 {
		for _, f := range fs.files {
			if f.path == name {
				return fs.offset(f.first)
			}
		}
		t.Fatal(name)
		return 0
	}
	for _, c := range []struct {
		at          int64
		path, field string
	}{
		{67, "", "boot sector in sector 0, field Serial"},
		{backupSector*sectorSize + 71, "", "boot sector in sector 6, field Label"},
		{90, "", "boot sector in sector 0, field _"},
		{sectorSize + 488, "", "FSInfo in sector 1, field FreeClusters"},
		{7 * sectorSize, "", "FSInfo in sector 7, field LeadSignature"},
		{2 * sectorSize, "", "reserved sectors"},
		{fs.reserved + 8, "", "FAT 1, entry of cluster 2"},
		{fs.reserved + fs.fat + 5*4, "", "FAT 2, entry of cluster 5"},
		{fs.data() + 11, "/", "directory entry 0, field Attributes"},
		{fs.data() + entrySize + 13, "/", "directory entry 1, field Checksum"},
		{place("a") + 2*entrySize + 28, "/a", "directory entry 2, field Name3"},
		{place("a") + 3*entrySize + 28, "/a", "directory entry 3, field Size"},
		{place("a") + 4*entrySize, "/a", "directory entry 4, unused"},
		{place("vmlinuz") + 3<<20, "/vmlinuz", "content byte 3145728"},
		{fs.offset(fs.next), "", "free cluster"},
		{fs.size - 1, "", "free cluster"},
	} {
		path, field := fs.Locate(c.at)
		require.Equal(t, [2]string{c.path, c.field}, [2]string{path, field}, c.at)
	}
}

package fat

import (
	"fmt"
	"reflect"

	"github.com/PlanktoScope/pkbuild/internal/ondisk"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Locate says to what a byte of the written file system belongs, at an offset from its start: field is a part of a
// structure, such as "reserved sectors", or of a content, such as "content byte 7". path is the file or directory to which
// the byte belongs, "" for none.
func (fs *FileSystem) Locate(offset int64) (path, field string) {
	if offset < fs.data() {
		return "", fs.headerField(offset)
	}
	for _, f := range fs.files {
		switch at := offset - fs.offset(f.first); {
		case f.clusters == 0 || at < 0 || at >= int64(f.clusters)*fs.cluster:
		case f.node.Type == tree.Regular:
			return "/" + f.path, fmt.Sprintf("content byte %d", at)
		default:
			return "/" + f.path, fmt.Sprintf("directory entry %d, %s", at/entrySize, fs.entryField(f, at))
		}
	}
	return "", "free cluster"
}

// headerField names a byte before the first cluster.
func (fs *FileSystem) headerField(offset int64) string {
	number, at := offset/sectorSize, int(offset%sectorSize)
	switch {
	case number == 0 || number == backupSector:
		return fmt.Sprintf("boot sector in sector %d, field %s", number, ondisk.FieldAt(reflect.TypeFor[bootSector](), at))
	case number == infoSector || number == backupSector+infoSector:
		return fmt.Sprintf("FSInfo in sector %d, field %s", number, ondisk.FieldAt(reflect.TypeFor[fsInfo](), at))
	case offset < fs.reserved:
		return "reserved sectors"
	}
	offset -= fs.reserved
	return fmt.Sprintf("FAT %d, entry of cluster %d", offset/fs.fat+1, offset%fs.fat/4)
}

// entryField names a byte of a directory.
func (fs *FileSystem) entryField(dir *file, at int64) string {
	entry, entries := at/entrySize, fs.directory(dir)
	if entry >= int64(dir.entries) {
		return "unused"
	}
	if entries[entry*entrySize+11]&attrMask == attrLong {
		return "field " + ondisk.FieldAt(reflect.TypeFor[longEntry](), int(at%entrySize))
	}
	return "field " + ondisk.FieldAt(reflect.TypeFor[dirEntry](), int(at%entrySize))
}

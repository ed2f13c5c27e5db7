package compress

import (
	"path/filepath"
	"strings"
)

// FormatOf returns the compression format of a file by the ending of its name, in any case, or None. It also knows
// formats that this package cannot decompress, such as lz4.
func FormatOf(name string) Format {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz", ".tgz":
		return Gzip
	case ".zst", ".tzst":
		return Zstd
	case ".xz", ".txz":
		return Xz
	case ".bz2", ".tbz", ".tbz2":
		return Bzip2
	case ".zip":
		return Zip
	case ".7z":
		return "7z"
	case ".br":
		return "brotli"
	case ".lz":
		return "lzip"
	case ".lz4":
		return "lz4"
	case ".lzma":
		return "lzma"
	case ".lzo":
		return "lzop"
	case ".rar":
		return "rar"
	case ".z":
		return "compress"
	}
	return None
}

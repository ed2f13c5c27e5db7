package ext4

import (
	"errors"
	"fmt"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	maxName     = 255
	maxPath     = 4096                    // bytes, as in the kernel
	maxTarget   = blockSize - 1           // of a symlink that is written
	maxFileSize = (1<<32 - 1) * blockSize // the last logical block number is not valid
	maxMajor    = 1<<12 - 1
	maxMinor    = 1<<20 - 1
)

// check returns an error if ext4 cannot hold a node. It does not look at extended attributes.
func check(n *tree.Node) error {
	if n.Mode > 0o7777 {
		return fmt.Errorf("mode %#o has more than permission bits", n.Mode)
	}
	if (n.Immutable || n.AppendOnly) && n.Type != tree.Regular && n.Type != tree.Directory {
		return fmt.Errorf("ext4 cannot mark a %s as immutable or append-only", n.Type)
	}
	switch n.Type {
	case tree.Regular:
		if n.Content.Size < 0 || n.Content.Size > maxFileSize {
			return fmt.Errorf("file size of %d bytes is not between 0 and %d", n.Content.Size, int64(maxFileSize))
		}
	case tree.Symlink:
		if n.Target == "" || len(n.Target) > maxTarget || strings.ContainsRune(n.Target, 0) {
			return fmt.Errorf("symlink target %.40q is not 1 to %d bytes without NUL", n.Target, maxTarget)
		}
	case tree.Char, tree.Block:
		if n.Major > maxMajor || n.Minor > maxMinor {
			return fmt.Errorf("device number %d:%d exceeds the limit of ext4, %d:%d", n.Major, n.Minor, maxMajor, maxMinor)
		}
	}
	return nil
}

func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("file name %q is invalid", name)
	case len(name) > maxName:
		return fmt.Errorf("name %.40q… is longer than %d bytes", name, maxName)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q contains a slash or NUL", name)
	}
	return nil
}

func (o *Options) check() error {
	switch {
	case len(o.Label) > 16:
		return fmt.Errorf("ext4 label %q is longer than 16 bytes", o.Label)
	case o.ReservedPercent < 0 || o.ReservedPercent > 50:
		return fmt.Errorf("%d%% reserved for root is not between 0 and 50", o.ReservedPercent)
	case o.UUID == [16]byte{}:
		return errors.New("ext4 file system needs a UUID")
	case o.Size > maxSize:
		return fmt.Errorf("file system size of %d bytes exceeds 16 TiB", o.Size)
	}
	return nil
}

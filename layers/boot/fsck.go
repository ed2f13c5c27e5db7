package boot

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// checker is the program with which pkinit checks the root file system.
const checker = "usr/sbin/e2fsck"

// libraryDirs are where the dynamic loader of Debian looks for libraries.
var libraryDirs = []string{"usr/lib/aarch64-linux-gnu", "usr/lib"}

// checkerConfig has e2fsck not rely on the clock, which may not be set yet.
const checkerConfig = "[options]\nbroken_system_clock = 1\n"

// fsck returns the files that check an ext4 in the initramfs: e2fsck, its libraries and its loader. There are none if the
// tree has no e2fsck.
func fsck(t *tree.Tree) ([]cpio.Record, error) {
	if _, n := t.Resolve(checker); n == nil {
		return nil, nil
	}
	records := []cpio.Record{cpio.StaticFile("etc/e2fsck.conf", checkerConfig, 0o644)}
	program, needs, loader, err := executable(t, checker, "sbin/e2fsck")
	if err != nil {
		return nil, err
	}
	records = append(records, program)
	if loader != "" {
		r, _, _, err := executable(t, loader[1:], loader[1:])
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	var seen []string
	for len(needs) > 0 {
		name := needs[0]
		needs = needs[1:]
		if slices.Contains(seen, name) || path.Base(loader) == name {
			continue
		}
		seen = append(seen, name)
		r, more, err := library(t, name)
		if err != nil {
			return nil, err
		}
		records, needs = append(records, r), append(needs, more...)
	}
	return records, nil
}

// library returns a library and the names of those that it needs.
func library(t *tree.Tree, name string) (cpio.Record, []string, error) {
	for _, dir := range libraryDirs {
		at := path.Join(dir, name)
		if _, n := t.Resolve(at); n == nil {
			continue
		}
		r, needs, _, err := executable(t, at, at)
		return r, needs, err
	}
	return cpio.Record{}, nil, fmt.Errorf("library %s of e2fsck is not in the tree", name)
}

// executable returns a program or library of the tree under another name, the libraries that it needs, and its loader.
func executable(t *tree.Tree, name, as string) (r cpio.Record, needs []string, loader string, err error) {
	_, n := t.Resolve(name)
	if n == nil || n.Type != tree.Regular {
		return r, nil, "", fmt.Errorf("/%s is missing or not a regular file", name)
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return r, nil, "", err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return r, nil, "", fmt.Errorf("/%s: %w", name, err)
	}
	needs, err = f.ImportedLibraries()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text := make([]byte, p.Filesz)
			_, readErr := p.ReadAt(text, 0)
			err = errors.Join(err, readErr)
			loader = string(bytes.TrimRight(text, "\x00"))
		}
	}
	if err != nil {
		return r, nil, "", fmt.Errorf("/%s: %w", name, err)
	}
	return cpio.StaticFile(as, string(data), 0o755), needs, loader, nil
}

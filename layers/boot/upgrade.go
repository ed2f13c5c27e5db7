package boot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// wantedFile lists, in the initramfs, the modules that the recipe wants, as it names them.
const wantedFile = "etc/pkinit/wanted"

// Upgrade returns the files of a boot set, numbered next, with the kernel of a version, such as 7.3.4+deb13-arm64, that is
// installed below root, the root directory of a device. Pkinit, the other files of the initramfs, overlays and the command
// line are those of the selected set, in the boot partition dir. missing are the optional modules that the kernel lacks.
// Upgrade fails if the kernel is not installed, or lacks a device tree that the selected set has.
func Upgrade(root, dir string, selected, next int, version string) (files map[string]bootset.Content, missing []string, err error) {
	old := filepath.Join(dir, bootset.DirName(selected))
	files = map[string]bootset.Content{}
	if err := addDir(files, filepath.Join(old, "overlays"), "overlays"); err != nil {
		return nil, nil, err
	}
	trees := filepath.Join(root, "usr/lib/linux-image-"+version)
	if _, err := os.Stat(trees); err != nil {
		trees = filepath.Join(root, modulesDir, version, "dtb")
	}
	for from, to := range map[string]string{"broadcom": "", "overlays": "overlays"} {
		if err := addDir(files, filepath.Join(trees, from), to); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range []string{filepath.Join(root, modulesDir, version, "vmlinuz"), filepath.Join(root, "boot/vmlinuz-"+version)} {
		if c, err := fileContent(name); err == nil {
			files[bootset.Kernel] = c
		}
	}
	if files[bootset.Kernel].Open == nil {
		return nil, nil, fmt.Errorf("kernel %s is not installed: no /boot/vmlinuz-%s", version, version)
	}
	if err := lacksTrees(old, files); err != nil {
		return nil, nil, fmt.Errorf("kernel %s: %w", version, err)
	}
	line, err := os.ReadFile(filepath.Join(old, bootset.Cmdline))
	if err != nil {
		return nil, nil, err
	}
	files[bootset.Cmdline] = bootset.Bytes([]byte(cmdlineOfSet(string(line), next)))
	archive, err := os.ReadFile(filepath.Join(old, bootset.Initramfs))
	if err != nil {
		return nil, nil, err
	}
	modules, err := moduleTree(root, version)
	if err != nil {
		return nil, nil, err
	}
	initramfs, missing, err := withModules(archive, modules, version)
	if err != nil {
		return nil, nil, fmt.Errorf("initramfs of kernel %s: %w", version, err)
	}
	files[bootset.Initramfs] = bootset.Bytes(initramfs)
	return files, missing, nil
}

// lacksTrees fails if a device tree of the selected set is missing.
func lacksTrees(old string, files map[string]bootset.Content) error {
	entries, err := os.ReadDir(old)
	var lacks []string
	for _, e := range entries {
		if _, there := files[e.Name()]; path.Ext(e.Name()) == ".dtb" && !there {
			lacks = append(lacks, e.Name())
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("no device tree %s, which the selected boot set has", strings.Join(lacks, ", "))
	}
	return err
}

// cmdlineOfSet returns a command line with the argument of another set.
func cmdlineOfSet(line string, number int) string {
	words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.HasPrefix(w, bootset.SetArgument) })
	return strings.Join(append(words, bootset.SetArgument+bootset.DirName(number)), " ") + "\n"
}

// addDir adds the files of a directory. One that is missing has none.
func addDir(files map[string]bootset.Content, dir, to string) error {
	resolved, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(resolved, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(resolved, name)
		if err != nil {
			return err
		}
		files[path.Join(to, filepath.ToSlash(rel))], err = fileContent(name)
		return err
	})
}

// fileContent returns a file of the device as a file of a set.
func fileContent(name string) (bootset.Content, error) {
	info, err := os.Stat(name)
	if err != nil {
		return bootset.Content{}, err
	}
	return bootset.Content{Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(name) }}, nil
}

// moduleTree returns a tree with the modules of a kernel that is installed below root.
func moduleTree(root, version string) (*tree.Tree, error) {
	dir, err := tree.ReadDir(filepath.Join(root, modulesDir, version))
	if err != nil {
		return nil, fmt.Errorf("modules of kernel %s: %w", version, err)
	}
	t := tree.New()
	for name, n := range dir.Walk() {
		bare := n.Bare()
		if err := t.Put(path.Join(modulesDir, version, name), &bare); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// withModules returns an initramfs with the modules of another kernel.
func withModules(old []byte, t *tree.Tree, version string) (data []byte, missing []string, err error) {
	all, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(old)))
	if err != nil {
		return nil, nil, fmt.Errorf("read the selected set's: %w", err)
	}
	var kept []cpio.Record
	wanted := ""
	for _, r := range all {
		switch {
		case r.Name == wantedFile:
			text := make([]byte, r.FileSize)
			if _, err := r.ReadAt(text, 0); err != nil {
				return nil, nil, err
			}
			wanted = string(text)
			kept = append(kept, r)
		case r.Mode&cpio.S_IFMT == cpio.S_IFDIR, r.Name == "etc/pkinit/modules", strings.HasPrefix(r.Name, modulesDir+"/"), r.Name == cpio.Trailer:
		default:
			kept = append(kept, r)
		}
	}
	if wanted == "" {
		return nil, nil, fmt.Errorf("the selected set's has no %s: it was built by an older pkbuild", wantedFile)
	}
	records, missing, err := moduleRecords(t, version, strings.Fields(wanted))
	if err != nil {
		return nil, nil, err
	}
	data, err = archive(append(kept, records...))
	return data, missing, err
}

// AddSet writes a boot set with the kernel of a version that is installed below root, and returns its number; it does not
// select the set. dir is where the boot partition of s is mounted, and missing are the optional modules that the kernel
// lacks. It fails as Upgrade and bootset.Store.Add do.
func AddSet(s bootset.Store, root, dir, version string) (number int, missing []string, err error) {
	selected, err := s.Selected()
	if err != nil {
		return 0, nil, err
	}
	next, err := s.Next()
	if err != nil {
		return 0, nil, err
	}
	files, missing, err := Upgrade(root, dir, selected, next, version)
	if err != nil {
		return 0, nil, err
	}
	number, err = s.Add(version, files)
	return number, missing, err
}

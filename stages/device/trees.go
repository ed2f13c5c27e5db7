package device

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// compareTrees returns the files that differ between two directories, as "changed PATH", "added PATH" and "deleted PATH",
// sorted by path. Git's own directory does not count.
func compareTrees(was, is string) ([]string, error) {
	before, err := files(was)
	if err != nil {
		return nil, err
	}
	after, err := files(is)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(before, after)))) {
		old, oldErr := content(filepath.Join(was, name))
		now, nowErr := content(filepath.Join(is, name))
		switch {
		case errors.Is(oldErr, fs.ErrNotExist):
			out = append(out, "added "+name)
		case errors.Is(nowErr, fs.ErrNotExist):
			out = append(out, "deleted "+name)
		case oldErr != nil || nowErr != nil:
			return nil, errors.Join(oldErr, nowErr)
		case !bytes.Equal(old, now):
			out = append(out, "changed "+name)
		}
	}
	return out, nil
}

// files lists what is not a directory, by paths relative to a directory.
func files(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == ".git" {
			return fs.SkipDir
		}
		if !e.IsDir() && e.Name() != ".git" {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			names = append(names, rel)
		}
		return nil
	})
	return names, err
}

// content returns the content of a regular file with its permissions to execute, or the target of a symlink.
func content(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(name)
		return []byte("symlink " + target), err
	}
	if !info.Mode().IsRegular() {
		return []byte(info.Mode().Type().String()), nil
	}
	data, err := os.ReadFile(name)
	if info.Mode()&0o111 != 0 {
		data = append([]byte("executable\n"), data...)
	}
	return data, err
}

package pallet

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// SumFile is the name of the file beside a version lock that has the hash of what the lock stands for. It is ours:
// Forklift trusts the commit alone, whose hash is SHA-1.
const SumFile = "forklift-version-lock.sum"

// sumPrefix names the way in which hashes are made, so that there can be another one.
const sumPrefix = "p1:"

// Sum is the hash of the files in a directory as they would be committed: their paths, contents, links, and whether
// they can be executed. Directories and what Git keeps do not count.
func Sum(dir string) (sum string, err error) {
	r := roots{}
	defer func() { err = errors.Join(err, r.close()) }()
	v, err := scan(r, dir)
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", dir, err)
	}
	return v.sum(r)
}

func (v *view) sum(r roots) (string, error) {
	all := sha256.New()
	for name := range v.files(".") {
		line, err := v.fileSum(r, name)
		if err != nil {
			return "", err
		}
		if _, err := io.WriteString(all, line); err != nil {
			return "", err
		}
	}
	return sumPrefix + base64.StdEncoding.EncodeToString(all.Sum(nil)), nil
}

// fileSum is the mode as Git has it, the hash of the content and the path of a file.
func (v *view) fileSum(r roots, name string) (string, error) {
	root, err := r.open(v.entries[name].dir)
	if err != nil {
		return "", err
	}
	f, err := lstat(root, v.entries[name].name)
	if err != nil {
		return "", err
	}
	content := sha256.New()
	mode := "100644"
	switch {
	case f.Mode.Type() == fs.ModeSymlink:
		mode = "120000"
		_, err = io.WriteString(content, f.Target)
	case f.Mode&0o100 != 0:
		mode = "100755"
		fallthrough
	default:
		err = copyFrom(content, root, v.entries[name].name)
	}
	return fmt.Sprintf("%s %x %q\n", mode, content.Sum(nil), name), err
}

// checkSumFile compares a sum file with what it should have in it.
func checkSumFile(content, path, version, sum string) error {
	fields := strings.Fields(content)
	switch {
	case len(fields) != 3:
		return errors.New("it is not of the form: path version hash")
	case fields[0] != path || fields[1] != version:
		return fmt.Errorf("it is of %s %s, not of %s %s; write it anew with: pkctl pallet sum",
			fields[0], fields[1], path, version)
	case !strings.HasPrefix(fields[2], sumPrefix):
		return fmt.Errorf("its hash does not begin with %s", sumPrefix)
	case fields[2] != sum:
		return fmt.Errorf("%s %s has the hash %s, and the sum says %s: what is there now is not what was locked",
			path, version, sum, fields[2])
	}
	return nil
}

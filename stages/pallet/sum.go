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

// SumFile is the name of the file beside a version lock with the hash of the locked files. Forklift has no such file: it
// trusts the commit, whose hash is SHA-1.
const SumFile = "forklift-version-lock.sum"

// sumPrefix is the prefix of hashes of Sum; another algorithm would have another prefix.
const sumPrefix = "p1:"

// Sum returns the hash of a directory's files as Git would commit them: paths, contents, symlinks and execute bits.
// Empty directories and .git do not count.
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

// fileSum returns the line of a file: its mode in Git, the hash of its content, and its path.
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

// checkSumFile compares the content of a sum file with the path, version and hash of a requirement.
func checkSumFile(content, path, version, sum string) error {
	fields := strings.Fields(content)
	switch {
	case len(fields) != 3:
		return errors.New("sum file is malformed; want one line: path version hash")
	case fields[0] != path || fields[1] != version:
		return fmt.Errorf("sum file is of %s %s, want %s %s; rewrite it with the command pallet sum",
			fields[0], fields[1], path, version)
	case !strings.HasPrefix(fields[2], sumPrefix):
		return fmt.Errorf("hash %q in the sum file does not begin with %s", fields[2], sumPrefix)
	case fields[2] != sum:
		return fmt.Errorf("hash of %s %s is %s, want %s: the files are not those that were locked",
			path, version, sum, fields[2])
	}
	return nil
}

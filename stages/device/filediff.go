package device

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// maxDiff is the size of the largest file that is compared line by line, in bytes.
const maxDiff = 1 << 20

// text returns the difference between a file of the user's and the one that it hides, in the unified format. What is not
// a regular file is described in a line, and so are owner and permissions where the contents are equal.
func (o Override) text() (string, error) {
	mine := o.mine
	if o.Change == override.Deleted {
		mine = ""
	}
	lines := side
	switch o.Change {
	case override.Unchanged:
		return fmt.Sprintf("%s is a copy that equals the file of %s, and hides its updates\n", o.Path, o.Against), nil
	case override.Metadata:
		lines = metadata
	}
	was, err := lines(o.below, mine)
	if err != nil {
		return "", err
	}
	is, err := lines(mine, o.below)
	if err != nil {
		return "", err
	}
	against := o.Against
	if against == "" {
		against = "nothing"
	}
	from, to := o.Path+" of "+against, o.Path+" of the user"
	if binary(was) || binary(is) {
		return fmt.Sprintf("%s and %s differ: binary files\n", from, to), nil
	}
	_, text, differ := strings.Cut(string(diff.Diff(from, was, to, is)), "\n") // the first line names a command
	if !differ {
		return o.sentence() + "\n", nil
	}
	return text, nil
}

// side returns the lines that stand for a file in a diff with another one: the content of a regular file, unless the
// other is of another type or it is too large.
func side(path, other string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		what, err := describe(path)
		return []byte(what + "\n"), err
	}
	if info.Size() > maxDiff {
		sum, err := override.Fingerprint(path)
		return fmt.Appendf(nil, "a file of %d bytes, fingerprint %s\n", info.Size(), sum), err
	}
	data, err := os.ReadFile(path)
	if err != nil || other == "" {
		return data, err
	}
	if i, err := os.Lstat(other); err != nil || i.Mode().IsRegular() {
		return data, err
	}
	return append([]byte("file: "), data...), nil
}

// metadata returns the line that stands for owner and permissions.
func metadata(path, _ string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	s := info.Sys().(*syscall.Stat_t)
	return fmt.Appendf(nil, "mode %04o, owner %d:%d\n", s.Mode&0o7777, s.Uid, s.Gid), nil
}

func binary(data []byte) bool { return bytes.ContainsRune(data, 0) }

// describe returns what a file is, in words, such as "a file" or "a symlink to ../x".
func describe(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	switch info.Mode().Type() {
	case 0:
		return "a file", nil
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		return "a symlink to " + target, err
	case fs.ModeDir:
		return describeDirectory(path)
	case fs.ModeNamedPipe:
		return "a named pipe", nil
	case fs.ModeSocket:
		return "a socket", nil
	}
	rdev := info.Sys().(*syscall.Stat_t).Rdev
	kind := "block"
	if info.Mode()&fs.ModeCharDevice != 0 {
		kind = "character"
	}
	return fmt.Sprintf("a %s device %d:%d", kind, unix.Major(rdev), unix.Minor(rdev)), nil
}

func describeDirectory(path string) (string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries[:min(len(entries), listed)] {
		names = append(names, e.Name())
	}
	switch {
	case len(entries) == 0:
		return "an empty directory", nil
	case len(entries) > listed:
		return fmt.Sprintf("a directory of %d entries: %s, …", len(entries), strings.Join(names, ", ")), nil
	}
	return "a directory with " + strings.Join(names, ", "), nil
}

package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha1" // the format of integrity.check
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// integrityHeader is the beginning of integrity.check.
const integrityHeader = "# Checksums of a PlanktoScope data set, https://github.com/PlanktoScope/pkbuild\n# filename,size,sha1\n"

// Entry is a line of a data set's integrity.check: name, size and SHA-1 of a completely written file.
type Entry struct {
	Name string
	Size int64
	SHA1 string // of the file name, a NUL byte and the content, in hexadecimal digits
}

func (e Entry) String() string { return fmt.Sprintf("%s,%d,%s", e.Name, e.Size, e.SHA1) }

// NewEntry returns the entry of a file with the given name and content. It fails only if the content cannot be read.
func NewEntry(name string, content io.Reader) (Entry, error) {
	h := sha1.New()
	h.Write(append([]byte(name), 0))
	n, err := io.Copy(h, content)
	return Entry{name, n, hex.EncodeToString(h.Sum(nil))}, err
}

// ReadIntegrity reads integrity.check. A last line without a newline, which a power cut may leave, is ignored. It returns
// the entries and the number of bytes up to the end of the last complete line.
func ReadIntegrity(r io.Reader) (entries []Entry, size int64, err error) {
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return entries, size, nil
		}
		if err != nil {
			return nil, 0, err
		}
		size += int64(len(line))
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, 0, fmt.Errorf("%s line %d: %w", IntegrityFile, number, err)
		}
		entries = append(entries, e)
	}
}

// parseEntry parses a line of integrity.check. File names may contain commas.
func parseEntry(line string) (Entry, error) {
	var e Entry
	rest, sum, ok := cutLast(line)
	name, size, ok2 := cutLast(rest)
	if !ok || !ok2 {
		return e, fmt.Errorf("%q is not filename,size,sha1", line)
	}
	n, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return e, fmt.Errorf("size %q is not a number", size)
	}
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha1.Size {
		return e, fmt.Errorf("%q is not a SHA-1 sum", sum)
	}
	if name == "" || name != filepath.Base(name) || name == ".." {
		return e, fmt.Errorf("%q is not a file name", name)
	}
	return Entry{name, int64(n), strings.ToLower(sum)}, nil
}

// cutLast splits text at its last comma.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, ',')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// Verify compares the files of a data set with integrity.check and returns the differences joined, or nil. A listed
// file that is missing is a difference; a file that is not listed is none. A missing integrity.check is an error.
func Verify(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, IntegrityFile))
	if err != nil {
		return err
	}
	entries, _, err := ReadIntegrity(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, e.verify(dir))
	}
	return errors.Join(errs...)
}

// verify compares the file of an entry with it.
func (e Entry) verify(dir string) error {
	f, err := os.Open(filepath.Join(dir, e.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := NewEntry(e.Name, f)
	switch {
	case err != nil:
		return err
	case got.Size != e.Size:
		return fmt.Errorf("%s has %d bytes, want %d", f.Name(), got.Size, e.Size)
	case got.SHA1 != e.SHA1:
		return fmt.Errorf("%s has SHA-1 sum %s, want %s", f.Name(), got.SHA1, e.SHA1)
	}
	return nil
}

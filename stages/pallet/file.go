package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// file is a file of YAML, kept to tell places in it.
type file struct {
	name string // for messages
	data []byte
}

// maxSize is the size in bytes of the largest file of YAML that is read. Those of real pallets have some thousand.
const maxSize = 1 << 20

// readFile reads a file of a pallet and decodes its YAML. That there is no such file is fs.ErrNotExist.
func readFile(root *os.Root, name string, into any) (file, error) {
	f := file{name: filepath.Join(root.Name(), name)}
	info, err := root.Stat(name)
	if err != nil {
		return f, fmt.Errorf("read %s: %w", f.name, pathless(err))
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("read %s: it is a %s, not a regular file", f.name, typeName(info.Mode()))
	}
	if info.Size() > maxSize {
		return f, fmt.Errorf("read %s: it has more than %d bytes", f.name, maxSize)
	}
	if f.data, err = root.ReadFile(name); err != nil {
		return f, fmt.Errorf("read %s: %w", f.name, pathless(err))
	}
	return f, f.decode(into)
}

// pathless is an error of os.Root without the path, which is relative to the root and so misleading.
func pathless(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// decode decodes the YAML. Unknown keys are ignored, as in Forklift. Errors have the line and the column.
func (f file) decode(into any) (err error) {
	defer func() {
		// The decoder has a history of panics on broken input (goccy/go-yaml#274, #479).
		if recover() != nil {
			err = fmt.Errorf("%s:1:1: it cannot be parsed", f.name)
		}
	}()
	err = yaml.Unmarshal(f.data, into)
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", f.name, p.Line, p.Column, at.GetMessage())
	}
	if err != nil {
		return fmt.Errorf("%s:1:1: %w", f.name, err)
	}
	return nil
}

// errorf is a mistake at a place: the value that the steps lead to from the top, keys and indices, or what comes
// nearest to it.
func (f file) errorf(message string, steps ...any) error {
	return errors.New(f.place(steps...) + ": " + message)
}

// place is file:line:column of a value, or of the last one on the way to it.
func (f file) place(steps ...any) string {
	parsed, err := parser.ParseBytes(f.data, 0)
	for err == nil && len(steps) > 0 {
		if node, err := pathOf(steps).FilterFile(parsed); err == nil {
			p := node.GetToken().Position
			return fmt.Sprintf("%s:%d:%d", f.name, p.Line, p.Column)
		}
		steps = steps[:len(steps)-1]
	}
	return f.name + ":1:1"
}

func pathOf(steps []any) *yaml.Path {
	b := (&yaml.PathBuilder{}).Root()
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			b = b.Child(step)
		case int:
			b = b.Index(uint(step))
		}
	}
	return b.Build()
}

// typeName names the type of a file.
func typeName(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

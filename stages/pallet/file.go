package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/expand"
)

// file is a YAML file with its syntax tree, which is needed for positions in messages.
type file struct {
	name   string // for messages
	data   []byte
	parsed *ast.File // nil until parse
}

// position is the position of a value in a file.
type position struct {
	file *file
	at   keyPath
}

// String returns file:line:column.
func (p position) String() string { return p.file.position(p.at) }

// maxSize is the greatest size of a YAML file in bytes: the time of the parser grows with the square of the size. Files of
// real pallets have a few thousand bytes.
const maxSize = 64 << 10

// readFile reads and decodes a YAML file of a pallet. The error is fs.ErrNotExist if there is none.
func readFile(root *os.Root, name string, into any) (*file, error) {
	f := &file{name: fullPath(root, name)}
	info, err := root.Stat(name)
	if err != nil {
		return f, fmt.Errorf("read %s: %w", f.name, withoutPath(err))
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("read %s: file is a %s, want a regular file", f.name, typeName(info.Mode()))
	}
	if info.Size() > maxSize {
		return f, fmt.Errorf("read %s: file has more than %d bytes", f.name, maxSize)
	}
	data, err := root.ReadFile(name)
	if err == nil {
		f.data, err = utf8Text(data)
	}
	if err != nil {
		return f, fmt.Errorf("read %s: %w", f.name, withoutPath(err))
	}
	return f, f.decode(into)
}

// fullPath returns the path of a file below a root, for messages and for File.Source.
func fullPath(root *os.Root, name string) string { return filepath.Join(root.Name(), name) }

// withoutPath returns an error of os.Root without its path, which is relative to the root and so misleading.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// decode decodes the YAML. Unknown keys are ignored, as in Forklift. Errors begin with file:line:column.
func (f *file) decode(into any) (err error) {
	defer func() {
		// The decoder has a history of panics on broken input (goccy/go-yaml#274, #479).
		if recover() != nil {
			err = fmt.Errorf("%s:1:1: YAML parser panicked", f.name)
		}
	}()
	if err := f.parse(); err != nil {
		return f.withPosition(err)
	}
	if expand.Size(f.parsed) > maxSize {
		return fmt.Errorf("%s:1:1: aliases expand to more than %d values", f.name, maxSize)
	}
	return f.withPosition(yaml.Unmarshal(f.data, into))
}

// parse sets f.parsed.
func (f *file) parse() (err error) {
	if f.parsed == nil {
		f.parsed, err = parser.ParseBytes(f.data, 0)
	}
	return err
}

// withPosition returns an error of the decoder with its position in the file.
func (f *file) withPosition(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", f.name, p.Line, p.Column, message(at))
	}
	if err != nil {
		return fmt.Errorf("%s:1:1: %w", f.name, err)
	}
	return nil
}

// message returns the message of a decoder error. Type errors name the types of YAML instead of those of Go.
func message(err yaml.Error) string {
	var mismatch *yaml.TypeError
	switch {
	case !errors.As(err, &mismatch):
		return err.GetMessage()
	case mismatch.DstType.Kind() == reflect.Bool:
		return "value has the wrong type, want true or false"
	case mismatch.DstType.Kind() == reflect.Int:
		return "value has the wrong type, want a number"
	default:
		return "value has the wrong type, want text"
	}
}

// keyPath is the keys (string) and indices (int) from the top of a file to a value.
type keyPath []any

func (k keyPath) node() *yaml.Path {
	b := (&yaml.PathBuilder{}).Root()
	for _, step := range k {
		switch step := step.(type) {
		case string:
			b = b.Child(step)
		case int:
			b = b.Index(uint(step))
		}
	}
	return b.Build()
}

// errorf returns an error with the position of a value.
func (f *file) errorf(at keyPath, format string, args ...any) error {
	return fmt.Errorf("%s: %w", f.position(at), fmt.Errorf(format, args...))
}

// position returns file:line:column of a value, or of the nearest value above it that exists.
func (f *file) position(at keyPath) string {
	position, _ := f.find(at)
	return position
}

// find is position, and returns the number of keys and indices of the value found.
func (f *file) find(at keyPath) (position string, depth int) {
	err := f.parse()
	for ; err == nil && len(at) > 0; at = at[:len(at)-1] {
		if node, err := at.node().FilterFile(f.parsed); err == nil {
			p := start(node).Position
			return f.at(p.Line, p.Column), len(at)
		}
	}
	return f.at(1, 1), 0
}

// at returns file:line:column.
func (f *file) at(line, column int) string { return fmt.Sprintf("%s:%d:%d", f.name, line, column) }

// start returns the first token of a value. That of a mapping node itself is its first colon.
func start(node ast.Node) *token.Token {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return node.GetToken()
}

// typeName returns the name of a file type, such as "named pipe".
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

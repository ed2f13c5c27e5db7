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

// file is a file of YAML, kept to tell places in it.
type file struct {
	name   string // for messages
	data   []byte
	parsed *ast.File // nil until a place in it is asked for
}

// place is where a value is in a file.
type place struct {
	file *file
	at   steps
}

// String is file:line:column.
func (p place) String() string { return p.file.place(p.at) }

// maxSize is the size in bytes of the largest file of YAML that is read, since the parser takes time that grows with
// the square of the size. Those of real pallets have a few thousand bytes.
const maxSize = 64 << 10

// readFile reads a file of a pallet and decodes its YAML. That there is no such file is fs.ErrNotExist.
func readFile(root *os.Root, name string, into any) (*file, error) {
	f := &file{name: located(root, name)}
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

// located is where a file of the pallet lies, for messages and for whoever reads it later.
func located(root *os.Root, name string) string { return filepath.Join(root.Name(), name) }

// pathless is an error of os.Root without the path, which is relative to the root and so misleading.
func pathless(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// decode decodes the YAML. Unknown keys are ignored, as in Forklift. Errors have the line and the column.
func (f *file) decode(into any) (err error) {
	defer func() {
		// The decoder has a history of panics on broken input (goccy/go-yaml#274, #479).
		if recover() != nil {
			err = fmt.Errorf("%s:1:1: it cannot be parsed", f.name)
		}
	}()
	if err := f.parse(); err != nil {
		return f.explain(err)
	}
	if expand.Size(f.parsed) > maxSize {
		return fmt.Errorf("%s:1:1: its aliases stand for more than %d values", f.name, maxSize)
	}
	return f.explain(yaml.Unmarshal(f.data, into))
}

// parse fills in what the text means.
func (f *file) parse() (err error) {
	if f.parsed == nil {
		f.parsed, err = parser.ParseBytes(f.data, 0)
	}
	return err
}

// explain is an error of the decoder with its place in the file.
func (f *file) explain(err error) error {
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

// message is what the decoder says, in words of YAML instead of Go where it is about types.
func message(err yaml.Error) string {
	var mismatch *yaml.TypeError
	switch {
	case !errors.As(err, &mismatch):
		return err.GetMessage()
	case mismatch.DstType.Kind() == reflect.Bool:
		return "true or false is expected here"
	case mismatch.DstType.Kind() == reflect.Int:
		return "a number is expected here"
	default:
		return "text is expected here"
	}
}

// steps lead from the top of a file to a value: keys and indices.
type steps []any

func (s steps) path() *yaml.Path {
	b := (&yaml.PathBuilder{}).Root()
	for _, step := range s {
		switch step := step.(type) {
		case string:
			b = b.Child(step)
		case int:
			b = b.Index(uint(step))
		}
	}
	return b.Build()
}

// errorf is a mistake at a value, or at what comes nearest to it where it is missing.
func (f *file) errorf(at steps, format string, args ...any) error {
	return fmt.Errorf("%s: %w", f.place(at), fmt.Errorf(format, args...))
}

// place is file:line:column of a value, or of the last one on the way to it.
func (f *file) place(at steps) string {
	err := f.parse()
	for ; err == nil && len(at) > 0; at = at[:len(at)-1] {
		if node, err := at.path().FilterFile(f.parsed); err == nil {
			p := start(node).Position
			return fmt.Sprintf("%s:%d:%d", f.name, p.Line, p.Column)
		}
	}
	return f.name + ":1:1"
}

// start is the first token of a value; a mapping's own is its first colon.
func start(node ast.Node) *token.Token {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return node.GetToken()
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

// Package conventions has tests that hold all packages of the module to rules of CONVENTIONS that no linter checks.
package conventions

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoNilWithoutError finds functions that return a nil pointer together with a nil error: a caller that checks the
// error only would dereference it. Where nil is a result like any other, the doc comment has to say when it is returned.
func TestNoNilWithoutError(t *testing.T) {
	var found []string
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, at := range nilReturns(file) {
			found = append(found, strings.TrimPrefix(files.Position(at).String(), "../../"))
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, found, "these return a nil pointer without an error: return an error, or say in the doc comment when the result is nil")
}

func TestNilReturns(t *testing.T) {
	const head = "package p\nvar e error\n"
	for body, want := range map[string]int{
		"func f() (*int, error) { return nil, nil }":                                  1,
		"func f() (x int, p *int, err error) { return 0, nil, nil }":                  1,
		"func f() (a, b *int, err error) { return new(int), nil, nil }":               1,
		"// f returns nil if x.\nfunc f() (*int, error) { return nil, nil }":          0,
		"func f() (*int, error) { return nil, e }":                                    0,
		"func f() ([]int, error) { return nil, nil }":                                 0,
		"func f() (*int, bool) { return nil, false }":                                 0,
		"var f = func() (*int, error) { return nil, nil }":                            1,
		"func f() (*int, error) { _ = func() error { return nil }; return nil, e }":   0,
		"func f() error { _ = func() (*int, error) { return nil, nil }; return nil }": 1,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", head+body, parser.ParseComments)
		require.NoError(t, err)
		require.Len(t, nilReturns(file), want, body)
	}
}

// documented matches a doc comment that says when a result is nil.
var documented = regexp.MustCompile(`\bnil\b`)

// nilReturns returns the positions of return statements with a nil pointer and a nil error.
func nilReturns(file *ast.File) []token.Pos {
	var found []token.Pos
	ast.Inspect(file, func(n ast.Node) bool {
		switch f := n.(type) {
		case *ast.FuncDecl:
			if !documented.MatchString(f.Doc.Text()) {
				found = append(found, nilReturnsOf(f.Type, f.Body)...)
			}
		case *ast.FuncLit:
			found = append(found, nilReturnsOf(f.Type, f.Body)...)
		}
		return true
	})
	return found
}

// nilReturnsOf is nilReturns for one function, without the function literals in it.
func nilReturnsOf(of *ast.FuncType, body *ast.BlockStmt) []token.Pos {
	types := resultTypes(of)
	if body == nil || len(types) < 2 || types[len(types)-1] != "error" {
		return nil
	}
	var found []token.Pos
	ast.Inspect(body, func(n ast.Node) bool {
		if _, nested := n.(*ast.FuncLit); nested {
			return false
		}
		r, ok := n.(*ast.ReturnStmt)
		if !ok || len(r.Results) != len(types) || !isNil(r.Results[len(types)-1]) {
			return true
		}
		for i, result := range r.Results {
			if types[i] == "pointer" && isNil(result) {
				found = append(found, r.Pos())
			}
		}
		return true
	})
	return found
}

// resultTypes returns "pointer", "error" or "" for each result of a function.
func resultTypes(of *ast.FuncType) []string {
	var types []string
	if of.Results == nil {
		return nil
	}
	for _, field := range of.Results.List {
		name := ""
		if _, pointer := field.Type.(*ast.StarExpr); pointer {
			name = "pointer"
		} else if fmt.Sprint(field.Type) == "error" {
			name = "error"
		}
		for range max(1, len(field.Names)) {
			types = append(types, name)
		}
	}
	return types
}

func isNil(e ast.Expr) bool {
	ident, ok := e.(*ast.Ident)
	return ok && ident.Name == "nil"
}

package pallet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// imported is the file of a deployment that a pallet imports.
type imported struct {
	data     []byte
	declared deploymentDeclaration
	origin   []string // as Pallet.Origin; nil if the pallet does not import the file
	groups   []string // the files of the import groups that import it
	names    []string // of all deployments of the pallet
}

// missing returns the error for a deployment that the pallet does not have.
func (i imported) missing() error {
	if len(i.names) == 0 {
		return errors.New("pallet has no deployments")
	}
	return fmt.Errorf("pallet has no such deployment; its deployments are %s", strings.Join(i.names, ", "))
}

// imported returns an imported file, also if an own file hides it.
func (e Edit) imported(ctx context.Context, file string) (found imported, err error) {
	l := e.Reader.loader(ctx)
	defer func() { err = errors.Join(err, l.roots.close()) }()
	v, err := scan(l.roots, e.Dir)
	if err != nil {
		return found, err
	}
	t := l.layer(v, "", nil)
	if err := l.mistakes.err(); err != nil {
		return found, err
	}
	found.names = namesOf(t.merged, deploymentsDir, deploymentSuffix)
	from, ok := t.from[file]
	if !ok {
		return found, nil
	}
	found.origin = from.entry.provenance()
	root, err := l.roots.open(from.dir)
	if err != nil {
		return found, err
	}
	f, err := readFile(root, from.name, &found.declared)
	found.data = f.data
	for _, req := range t.required {
		for group, mapped := range req.mapped {
			if _, ok := mapped["/"+file]; ok {
				found.groups = append(found.groups, path.Join(req.dir, group)+importsSuffix)
			}
		}
	}
	slices.Sort(found.groups)
	return found, err
}

// withoutImport returns the changes of import groups that remove an imported file.
func (e Edit) withoutImport(file string, found imported) ([]Change, error) {
	var changes []Change
	for _, group := range found.groups {
		data, err := os.ReadFile(filepath.Join(e.Dir, group))
		if err != nil {
			return nil, err
		}
		text, err := withModifier(data, modifierNode{Type: typeRemove, Target: "/" + file})
		if err != nil {
			return nil, fmt.Errorf("change %s: %w", filepath.Join(e.Dir, group), err)
		}
		changes = append(changes, Change{File: group, Content: string(text), Origin: found.origin})
	}
	return changes, nil
}

// modifierNode is a modifier as it is written.
type modifierNode struct {
	Type   string `yaml:"type"`
	Target string `yaml:"target"`
}

// withModifier returns the text of an import group with one more modifier at the end.
func withModifier(data []byte, m modifierNode) ([]byte, error) {
	text, err := utf8Text(data)
	if err != nil {
		return nil, err
	}
	var doc, added yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if err := added.Encode(m); err != nil {
		return nil, err
	}
	if len(doc.Content) > 0 && doc.Content[0].Kind == yaml.MappingNode {
		top := doc.Content[0].Content
		for i := 0; i < len(top); i += 2 {
			if list := top[i+1]; top[i].Value == "modifiers" && list.Kind == yaml.SequenceNode {
				if len(list.Content) > 0 {
					added.Style = list.Content[len(list.Content)-1].Style
				}
				list.Content = append(list.Content, &added)
				return encodeGroup(&doc, m)
			}
		}
	}
	return nil, errors.New("import file has no list of modifiers")
}

// encodeGroup encodes an import group and checks that it is read with the modifier at its end: the libraries that write and
// read it may disagree about unusual YAML.
func encodeGroup(doc *yaml.Node, last modifierNode) ([]byte, error) {
	text, err := encode(doc)
	if err != nil {
		return nil, err
	}
	var declared importDeclaration
	if err := (&file{name: "changed file", data: text}).decode(&declared); err != nil {
		return nil, err
	}
	if n := len(declared.Modifiers); n == 0 || declared.Modifiers[n-1].Type != last.Type || declared.Modifiers[n-1].Target != last.Target {
		return nil, errors.New("import file has a form that cannot be edited here; add a modifier by hand")
	}
	return text, nil
}

package pallet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// updateDeclaration returns the text of a deployment's file with another content. It keeps comments, the order of keys and
// unknown keys, but not all blank lines.
func updateDeclaration(text []byte, d deploymentDeclaration) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return encode(d)
	}
	top := doc.Content[0]
	setKey(top, "package", d.Package, true)
	setKey(top, "features", d.Features, len(d.Features) > 0)
	setKey(top, "disabled", d.Disabled, d.Disabled)
	return encode(&doc)
}

// setKey sets the value of a key and keeps its comments. A missing key is added only if needed.
func setKey(mapping *yaml.Node, key string, value any, needed bool) {
	var k, v yaml.Node
	_, _ = k.Encode(key), v.Encode(value) // never fail for strings, lists of strings and booleans
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = mergeNode(mapping.Content[i+1], &v)
			return
		}
	}
	if needed {
		mapping.Content = append(mapping.Content, &k, &v)
	}
}

// mergeNode returns a new value with the style and the comments of the old one, as far as they agree.
func mergeNode(old, value *yaml.Node) *yaml.Node {
	if old.Kind != value.Kind {
		return value
	}
	if old.Kind == yaml.ScalarNode && (old.Value != value.Value || old.Tag != value.Tag) {
		old.Value, old.Tag, old.Style = value.Value, value.Tag, value.Style
	}
	if old.Kind == yaml.SequenceNode {
		for i, item := range value.Content {
			if j := slices.IndexFunc(old.Content, func(n *yaml.Node) bool { return n.Value == item.Value }); j >= 0 {
				value.Content[i] = old.Content[j]
			}
		}
		old.Content = value.Content
	}
	return old
}

// encode encodes YAML with Forklift's indentation.
func encode(declared any) ([]byte, error) {
	var out bytes.Buffer
	w := yaml.NewEncoder(&out)
	w.SetIndent(2)
	if err := errors.Join(w.Encode(declared), w.Close()); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return out.Bytes(), nil
}

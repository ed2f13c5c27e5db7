package recipes

import (
	"fmt"
	"regexp"
	"strconv"
)

// kind is the kind of a node, as messages name it.
type kind string

const (
	broken  kind = "" // invalid, and reported already
	null    kind = "nothing"
	text    kind = "a string"
	number  kind = "a number"
	boolean kind = "a boolean"
	list    kind = "a list"
	mapping kind = "a mapping"
)

// position is the position of a node in its file.
type position struct {
	file         string
	line, column int
	path         string // in the file of the node, before merging
}

// where formats a position for a message.
func (p position) where() string {
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// node is a YAML value with its position, which it keeps when files are merged.
type node struct {
	position
	kind     kind
	text     string // of a scalar; of a number or a boolean: as written
	expanded bool   // the text contained variables
	items    []*node
	entries  []entry // with distinct keys
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    position // of the key
	value *node
}

// entry returns the entry of a key, or nil.
func (n *node) entry(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

// set sets the value of a key, in its old position if the key exists.
func (n *node) set(e entry) {
	if old := n.entry(e.key); old != nil {
		*old = e
		return
	}
	n.entries = append(n.entries, e)
}

// plainKey matches a key that needs no quotes in a path.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// keyPath returns the path of a key of the mapping at path.
func keyPath(path, key string) string {
	if !plainKey.MatchString(key) {
		return path + "[" + quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// itemPath returns the path of an item of the list at path.
func itemPath(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// quote quotes a text for a message, and abbreviates a long one.
func quote(s string) string {
	const most = 60
	runes := []rune(s)
	if len(runes) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(string(runes[:most]) + "…")
}

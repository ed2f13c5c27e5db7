package recipes

import (
	"fmt"
	"regexp"
	"strconv"
)

// kind is what a node is, in the words of messages.
type kind string

const (
	broken  kind = "" // a mistake that is already reported: nothing more is said of it
	null    kind = "nothing"
	text    kind = "a string"
	number  kind = "a number"
	boolean kind = "a boolean"
	list    kind = "a list"
	mapping kind = "a mapping"
)

// place is where a node stands.
type place struct {
	file         string
	line, column int
	path         string // in the node's own file, whatever it is merged with
}

// where names a place in a message.
func (p place) where() string {
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// node is a piece of YAML that knows its place, so that it can be merged with those of other files.
type node struct {
	place
	kind    kind
	text    string // of a scalar; of a number or a boolean: as written
	varied  bool   // variables have been put into the text
	items   []*node
	entries []entry // their keys differ
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    place // of the key
	value *node
}

// entry is the entry of a key, or nil.
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

// get is the value of a key, or nil.
func (n *node) get(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

// set gives a key a value: a new one in the place of the old, where there is one.
func (n *node) set(e entry) {
	if old := n.entry(e.key); old != nil {
		*old = e
		return
	}
	n.entries = append(n.entries, e)
}

// plainKey is a key that can stand in a path as it is.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// keyPath is the path of a key of the mapping at path.
func keyPath(path, key string) string {
	if !plainKey.MatchString(key) {
		return path + "[" + quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// itemPath is the path of an item of the list at path.
func itemPath(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// quote puts a text into quotes for a message; only the beginning of a long one.
func quote(s string) string {
	const most = 60
	runes := []rune(s)
	if len(runes) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(string(runes[:most]) + "…")
}

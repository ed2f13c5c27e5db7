package sandbox

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// restore replaces tools among the changes that scripts made to a tree. An overlay copies a whole file if only its owner or
// mode changes: such a copy of a tool gets the content of the tree's own program. Any other program of the building
// machine among the changes is an error.
func restore(changes, tools, target *tree.Tree) error {
	bySize := map[int64][]string{}
	for name, n := range tools.Walk() {
		if n.Type == tree.Regular {
			bySize[n.Content.Size] = append(bySize[n.Content.Size], name)
		}
	}
	var errs []error
	for name, n := range changes.Walk() {
		if n.Type != tree.Regular || n.Content.Size == 0 {
			continue
		}
		for _, tool := range bySize[n.Content.Size] {
			same, err := equal(n.Content, tools.Get(tool).Content)
			if err != nil {
				return fmt.Errorf("read /%s: %w", name, err)
			}
			if own := target.Get(tool); same && own != nil && own.Type == tree.Regular {
				n.Content = own.Content
				break
			}
		}
		if err := checkNative(name, n); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func equal(a, b tree.Content) (bool, error) {
	if a.Size != b.Size {
		return false, nil
	}
	x, err := io.ReadAll(a.Reader())
	if err != nil {
		return false, err
	}
	y, err := io.ReadAll(b.Reader())
	return bytes.Equal(x, y), err
}

// checkNative returns an error if a change is a program of the building machine's architecture, or lies in a directory of
// that architecture's libraries.
func checkNative(name string, n *tree.Node) error {
	host := Host()
	if strings.Contains(name, triplets[host]) {
		return fmt.Errorf("a script wrote /%s, which belongs to the building machine's architecture (%s)", name, host)
	}
	if name == "etc/ld.so.cache" {
		text, err := io.ReadAll(n.Content.Reader())
		if err != nil {
			return fmt.Errorf("read /%s: %w", name, err)
		}
		if bytes.Contains(text, []byte(triplets[host])) {
			return fmt.Errorf("/%s names libraries of the building machine's architecture (%s)", name, host)
		}
	}
	head := make([]byte, 20)
	if n.Content.Size < int64(len(head)) {
		return nil
	}
	if _, err := n.Content.ReadAt(head, n.Content.Offset); err != nil {
		return fmt.Errorf("read /%s: %w", name, err)
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) || elf.Machine(binary.LittleEndian.Uint16(head[18:])) != machines[host] {
		return nil
	}
	return fmt.Errorf("a script left /%s, a program of the building machine's architecture (%s)", name, host)
}

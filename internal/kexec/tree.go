package kexec

import (
	"encoding/binary"
	"fmt"

	"github.com/PlanktoScope/pkbuild/layers/devicetree"
)

// chosenTree returns a device tree with another command line and initramfs, without what was meant for the running kernel only.
func chosenTree(running []byte, cmdline string, start, end uint64) ([]byte, error) {
	t, err := devicetree.Parse(running)
	if err != nil {
		return nil, fmt.Errorf("read the running kernel's device tree: %w", err)
	}
	chosen := t.Root.Child("chosen")
	if chosen == nil {
		chosen = &devicetree.Node{Name: "chosen"}
		t.Root.Children = append(t.Root.Children, chosen)
	}
	for _, name := range []string{"kaslr-seed", "rng-seed", "linux,elfcorehdr", "linux,usable-memory-range"} {
		chosen.Remove(name)
	}
	chosen.Set("bootargs", append([]byte(cmdline), 0))
	chosen.Set("linux,initrd-start", binary.BigEndian.AppendUint64(nil, start))
	chosen.Set("linux,initrd-end", binary.BigEndian.AppendUint64(nil, end))
	// The firmware's reservation of the first initramfs is void; that of the processors' spin table stays.
	return t.Bytes(), nil
}

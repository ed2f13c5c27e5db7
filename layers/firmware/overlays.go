package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/devicetree"
)

// renamed returns the name of an overlay for the board, according to overlay_map.dtb: a node for each overlay that is not
// for all boards, with a property for each platform, whose value is another name or empty.
func (c *config) renamed(dir, name string) string {
	data, err := fs.ReadFile(c.files, dir+"overlay_map.dtb")
	if err != nil || len(data) == 0 {
		return name
	}
	overlays, err := devicetree.Parse(data)
	if err != nil {
		c.warn("read %soverlay_map.dtb: %v", dir, err)
		return name
	}
	i := slices.IndexFunc(overlays.Root.Children, func(n *devicetree.Node) bool { return n.Name == name })
	if i < 0 {
		return name
	}
	entry := overlays.Root.Children[i]
	if other := entry.Text("renamed"); other != "" {
		return other
	}
	other, known := entry.Get(c.board.Family.platform())
	if !known {
		c.warn("overlay_map.dtb says that overlay %s is not for this board", name)
	}
	if text := strings.TrimRight(string(other), "\x00"); text != "" {
		return text
	}
	return name
}

// Tree returns the device tree that the kernel gets, from the files of the boot partition: that of c with parameters and
// overlays merged. What cannot be merged is left out, as the firmware does it, and is a warning. Tree fails if c has no
// device tree, or it cannot be read.
func (c Choice) Tree(files fs.FS) (dtb []byte, warnings []string, err error) {
	base, err := parseFile(files, c.DeviceTree)
	if err != nil {
		return nil, nil, err
	}
	warn := func(err error) {
		if err != nil {
			warnings = append(warnings, err.Error())
		}
	}
	warn(setParameters(base, c.DeviceTree, c.Parameters))
	for _, o := range c.Overlays {
		overlay, err := parseFile(files, o.File)
		if err != nil {
			warn(err)
			continue
		}
		warn(setParameters(overlay, o.File, o.Parameters))
		if err := base.Merge(overlay); err != nil {
			warn(fileError("merge", o.File, err))
		}
	}
	return base.Bytes(), warnings, nil
}

func parseFile(files fs.FS, name string) (*devicetree.Tree, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fileError("read", name, err)
	}
	t, err := devicetree.Parse(data)
	if err != nil {
		return nil, fileError("read", name, err)
	}
	return t, nil
}

func setParameters(t *devicetree.Tree, name string, parameters []string) error {
	var all []error
	for _, p := range parameters {
		key, value, _ := strings.Cut(p, "=")
		if err := t.SetParameter(key, value); err != nil {
			all = append(all, fileError("set parameters of", name, err))
		}
	}
	return errors.Join(all...)
}

func fileError(operation, name string, err error) error {
	return fmt.Errorf("%s %s: %w", operation, name, err)
}

package firmware

import (
	"path"
	"slices"
	"strings"
	"time"
)

// deviceTree returns the device tree of the board, "" if there is none.
func (c *config) deviceTree(prefix string) string {
	names := c.treeNames()
	if name, set := c.values["device_tree"]; set {
		names = []string{name}
	}
	for _, name := range names {
		file := join(prefix, name)
		if name == "" || !c.exists(file) {
			continue
		}
		if c.ofAnotherBoard(name) {
			c.warn("%s is the device tree of another board", file)
		}
		return file
	}
	if names[0] != "" {
		c.warn("no device tree in the boot partition: %s", strings.Join(names, " or "))
		return ""
	}
	c.warn("no device tree is loaded: %s has an empty device_tree", c.name)
	return ""
}

// fixedCM4 is the date of the first firmware that knew kernel.org's device tree of a CM4 (raspberrypi/firmware#1660).
var fixedCM4 = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

// treeNames returns the names that the firmware tries.
func (c *config) treeNames() []string {
	if !c.flag("upstream_kernel") {
		return c.board.Trees
	}
	upstream := c.board.Upstream
	if old := c.state.StartFile; c.board.Name == "cm4" && !old.IsZero() && old.Before(fixedCM4) {
		upstream = []string{"bcm2711-rpi-4-b.dtb"}
	}
	var names []string
	for _, name := range slices.Concat(upstream, c.board.Trees) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// ofAnotherBoard reports whether a name that the firmware tries is that of another board's tree.
func (c *config) ofAnotherBoard(name string) bool {
	return slices.Contains(c.treeNames(), name) && name != c.board.Trees[0] && name != c.board.Upstream[0]
}

// chooseOverlays sets the overlays: first those that the firmware adds itself, then those of config.txt.
func (c *config) chooseOverlays(f *Choice) {
	f.Parameters = c.overlays[0].Parameters
	if f.DeviceTree == "" {
		if len(c.overlays) > 1 || len(f.Parameters) > 0 {
			c.warn("overlays and parameters are ignored: no device tree is loaded")
		}
		f.Parameters = nil
		return
	}
	dir := c.overlayDir(f.Prefix)
	add := func(name string, parameters []string) bool {
		file := path.Clean(dir + c.renamed(dir, name) + ".dtbo")
		if !c.exists(file) {
			return false
		}
		f.Overlays = append(f.Overlays, Overlay{file, parameters})
		return true
	}
	if c.board.Family == Pi5 && c.state.Stepping == "D0" && !add("bcm2712d0", nil) {
		c.warn("%sbcm2712d0.dtbo is missing: %s is for stepping C1 of the processor, not D0", dir, f.DeviceTree)
	}
	base := path.Base(f.DeviceTree)
	if c.flag("upstream_kernel") && !slices.Contains(c.board.Upstream, base) && slices.Contains(c.board.Trees, base) {
		add("upstream", nil)
	}
	for _, o := range c.overlays[1:] {
		switch {
		case o.File == "": // ends the parameters of the overlay before
			f.Parameters = append(f.Parameters, o.Parameters...)
		case !add(o.File, o.Parameters):
			c.warn("overlay %s is ignored: %s%s.dtbo is not in the boot partition", o.File, dir, o.File)
		}
	}
}

// overlayDir returns the directory of overlays with its slash. That behind os_prefix must have a file README.
func (c *config) overlayDir(prefix string) string {
	dir, set := c.values["overlay_prefix"]
	if !set {
		dir = "overlays/"
	}
	if behind := join(prefix, dir); c.exists(behind + "README") {
		return behind
	}
	return join("", dir)
}

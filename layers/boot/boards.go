package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// cardDrivers are the kernel modules that read the cards of a family's boards, by the names of kernel.org's kernels.
var cardDrivers = map[firmware.Family]string{firmware.Pi3: "bcm2835", firmware.Pi4: "sdhci_iproc", firmware.Pi5: "sdhci_brcmstb"}

// checkBoards returns what the boards of the recipe lack: firmware, kernel, device tree, or the driver of their cards.
func (b Layer) checkBoards(k kernel, t, below *tree.Tree) error {
	if len(b.Boards) == 0 {
		return nil
	}
	files, err := bootFiles(t, below)
	if err != nil {
		return err
	}
	var all []error
	for _, name := range b.Boards {
		board, err := firmware.Named(name)
		if err == nil {
			err = b.checkBoard(board, files, k, below)
		}
		if err != nil {
			all = append(all, fmt.Errorf("boot.boards: %w", err))
		}
	}
	return errors.Join(all...)
}

func (b Layer) checkBoard(board firmware.Board, files fs.FS, k kernel, below *tree.Tree) error {
	c := firmware.Choose(files, board, firmware.State{})
	own := slices.Concat(board.Trees[:1], board.Upstream[:1])
	if c.Bits != 0 && !slices.Contains(own, path.Base(c.DeviceTree)) { // 0: the firmware does not get so far
		return fmt.Errorf("%s: no device tree in the boot partition: %s", board.Name, strings.Join(slices.Compact(own), " or "))
	}
	if err := c.Err(); err != nil {
		return err
	}
	if k.vendor {
		return nil // its drivers have other names
	}
	g, err := readGraph(below, path.Join(modulesDir, k.version))
	if err != nil {
		return err
	}
	driver := cardDrivers[board.Family]
	listed := slices.ContainsFunc(b.Modules, func(m string) bool { return moduleName(strings.TrimSuffix(m, "?")) == driver })
	switch {
	case !g.has(driver):
		return fmt.Errorf("%s: kernel %s has no %s, the driver of its card; linux-image-arm64/trixie-backports has one", board.Name, k.version, driver)
	case !g.builtin[driver] && !listed:
		return fmt.Errorf("%s: boot.modules lacks %s, the driver of its card", board.Name, driver)
	}
	return nil
}

// bootFiles returns the files of the boot partition: those of the layer over those below.
func bootFiles(t, below *tree.Tree) (fs.FS, error) {
	all := tree.New()
	for _, from := range []*tree.Tree{below, t} {
		if sub := from.Sub(Firmware); sub != nil {
			if err := all.Apply(sub); err != nil {
				return nil, err
			}
		}
	}
	return fat.FS(all), nil
}

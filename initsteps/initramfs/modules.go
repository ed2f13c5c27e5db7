package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesFile lists the modules to load, one path to a line, each after those that it needs.
const modulesFile = "/etc/pkinit/modules"

// loadModules loads the modules of the list with the parameters of the command line, except for those that it blacklists.
// It goes on after a module that does not load; the error joins those of all.
func loadModules(list string, c Cmdline) error {
	data, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the kernel has all built in
	}
	if err != nil {
		return err
	}
	var errs []error
	for name := range strings.FieldsSeq(string(data)) {
		module := moduleName(filepath.Base(name))
		if slices.Contains(c.Blacklist, module) {
			continue
		}
		if err := loadModule(name, c.Modules[module]); err != nil {
			errs = append(errs, fmt.Errorf("load module %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func loadModule(name, params string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	flags := 0
	if filepath.Ext(name) != ".ko" {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	err = unix.FinitModule(int(f.Fd()), params, flags)
	switch {
	case errors.Is(err, unix.EEXIST):
		err = nil
	case errors.Is(err, unix.EOPNOTSUPP) && flags != 0:
		err = fmt.Errorf("%w: this kernel cannot load compressed modules", err)
	}
	return errors.Join(err, f.Close())
}

// moduleName returns the kernel's name of a module from the name of its file, or from a name with dashes.
func moduleName(file string) string {
	name, _, _ := strings.Cut(file, ".")
	return strings.ReplaceAll(name, "-", "_")
}

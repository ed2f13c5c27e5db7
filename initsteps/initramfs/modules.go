package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesFile lists the modules to load, one path to a line, each after those that it needs.
const modulesFile = "/etc/pkinit/modules"

// loadModules loads the modules of the list with their parameters. One that does not load keeps none of the others
// from it; the error joins them all.
func loadModules(list string, params map[string]string) error {
	data, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the kernel has all built in
	}
	if err != nil {
		return err
	}
	var errs []error
	for name := range strings.FieldsSeq(string(data)) {
		if err := loadModule(name, params[moduleName(filepath.Base(name))]); err != nil {
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
		err = fmt.Errorf("%w: this kernel wants modules that are not compressed", err)
	}
	return errors.Join(err, f.Close())
}

// moduleName is how the kernel names a module, given its file or the name that a user wrote.
func moduleName(file string) string {
	name, _, _ := strings.Cut(file, ".")
	return strings.ReplaceAll(name, "-", "_")
}

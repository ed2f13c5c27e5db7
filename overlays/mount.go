package overlays

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/paths"
)

// Limits of the kernel.
const (
	MaxLowerdirs = 500  // OVL_MAX_STACK in fs/overlayfs
	MaxOptions   = 4095 // bytes: mount(2) copies one page including the NUL, and the smallest page size is 4 KiB
)

// Mount describes an overlay mount: source, target and layers.
type Mount struct {
	Source    string   // name that mountinfo shows, such as pkinit:/usr
	Target    string   // directory on which it is mounted
	Lowerdirs []string // nearest first
	Upperdir  string   // "" for a read-only overlay
	Workdir   string   // "" for a read-only overlay
}

// ReadOnly reports whether the overlay has no upperdir, so that nothing can be written to it.
func (m Mount) ReadOnly() bool { return m.Upperdir == "" && m.Workdir == "" }

// Validate returns an error if the kernel would reject the paths or the length of the options, or leave their effect
// undefined. The error joins all reasons. Validate reads no file.
func (m Mount) Validate() error {
	errs := []error{checkPath("target", m.Target)}
	if !m.ReadOnly() {
		errs = append(errs, checkPath("upperdir", m.Upperdir), checkPath("workdir", m.Workdir))
	}
	for _, l := range m.Lowerdirs {
		errs = append(errs, checkPath("lowerdir", l))
	}
	if m.Source == "" {
		errs = append(errs, errors.New("source of the overlay is empty"))
	}
	least := 1
	if m.ReadOnly() {
		least = 2 // of the kernel: with one layer there is nothing to lay over it
	}
	if n := len(m.Lowerdirs); n < least || n > MaxLowerdirs {
		errs = append(errs, fmt.Errorf("overlay has %d lowerdirs, want %d to %d", n, least, MaxLowerdirs))
	}
	errs = append(errs, m.checkOverlap())
	if n := len(m.Options()); n > MaxOptions {
		errs = append(errs, fmt.Errorf("overlay options have %d bytes, mount(2) takes %d", n, MaxOptions))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("mount overlay at %s: %w", m.Target, err)
	}
	return nil
}

// checkOverlap returns an error for each pair of layers of which one contains the other: the kernel refuses them or
// leaves their behaviour undefined.
func (m Mount) checkOverlap() error {
	var errs []error
	if m.Upperdir != "" && m.Workdir != "" && (paths.Within(m.Upperdir, m.Workdir) || paths.Within(m.Workdir, m.Upperdir)) {
		errs = append(errs, fmt.Errorf("upperdir %s and workdir %s contain one another", m.Upperdir, m.Workdir))
	}
	for i, l := range m.Lowerdirs {
		if slices.Contains(m.Lowerdirs[:i], l) {
			errs = append(errs, fmt.Errorf("lowerdir %s is named twice", l))
		}
		for _, w := range []string{m.Upperdir, m.Workdir} {
			if w != "" && (paths.Within(l, w) || paths.Within(w, l)) {
				errs = append(errs, fmt.Errorf("lowerdir %s and %s contain one another", l, w))
			}
		}
	}
	return errors.Join(errs...)
}

func checkPath(what, p string) error {
	switch {
	case p == "":
		return fmt.Errorf("%s of the overlay is empty", what)
	case !path.IsAbs(p):
		return fmt.Errorf("%s %s of the overlay is not absolute", what, p)
	case path.Clean(p) != p:
		return fmt.Errorf("%s %s of the overlay is not clean, want %s", what, p, path.Clean(p))
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("%s %q of the overlay contains a NUL byte", what, p)
	}
	return nil
}

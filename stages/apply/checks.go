package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// CheckDirs are where checks lie: those of packages and stages, then the administrator's.
func CheckDirs() []string { return []string{"/usr/lib/pkctl/health.d", "/etc/pkctl/health.d"} }

// CheckLimit is how long one check may take.
const CheckLimit = time.Minute

// Check is what became of a check.
type Check struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Error  string `json:"error,omitempty"`  // "" for one that passed
	Output string `json:"output,omitempty"` // the end of what it said
}

// checkName are the names of checks, as run-parts(8) has them, and with dots: what editors and dpkg leave beside a file
// is none.
var checkName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)

// leftBeside are the names of what dpkg leaves beside a file that it changes.
var leftBeside = regexp.MustCompile(`\.(dpkg-[a-z]+|ucf-[a-z]+)$`)

// Checks finds the executables in directories, in the order of their names. A file hides one of the same name in an
// earlier directory; an empty one, or a link to /dev/null, hides it without taking its place.
func Checks(dirs ...string) ([]string, error) {
	found := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find checks: %w", err)
		}
		for _, e := range entries {
			if checkName.MatchString(e.Name()) && !leftBeside.MatchString(e.Name()) {
				found[e.Name()] = filepath.Join(dir, e.Name())
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		info, err := os.Stat(found[name])
		if err != nil {
			return nil, fmt.Errorf("find checks: %w", err)
		}
		if info.Mode().IsRegular() && info.Size() > 0 {
			out = append(out, found[name])
		}
	}
	return out, nil
}

// check runs one check.
func check(ctx context.Context, sys System, path string, limit time.Duration) Check {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %s", limit))
	defer cancel()
	c := Check{Name: filepath.Base(path), Path: path}
	out, err := sys.Check(ctx, path)
	c.Output = out
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

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

// CheckDirs returns the directories that hold health checks, those of packages and stages before the administrator's.
func CheckDirs() []string { return []string{"/usr/lib/pkctl/health.d", "/etc/pkctl/health.d"} }

// CheckLimit is the default time limit of one check.
const CheckLimit = time.Minute

// Check is the result of one health check, an executable that passes with exit code 0.
type Check struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Error  string `json:"error,omitempty"`  // "" if it passed
	Output string `json:"output,omitempty"` // the end of it
}

// checkName matches the names of checks: those that run-parts(8) accepts, and names with dots, but not the backup files of
// editors.
var checkName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)

// backupName matches the names of the files that dpkg leaves beside a configuration file.
var backupName = regexp.MustCompile(`\.(dpkg-[a-z]+|ucf-[a-z]+)$`)

// Checks returns the paths of the health checks in directories, sorted by file name. A file replaces one of the same
// name in an earlier directory; an empty file or a link to /dev/null disables it. A directory that does not exist has
// no checks. Hidden files, and backup files of editors and dpkg, are no checks.
func Checks(dirs ...string) ([]string, error) {
	found := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find health checks: %w", err)
		}
		for _, e := range entries {
			if checkName.MatchString(e.Name()) && !backupName.MatchString(e.Name()) {
				found[e.Name()] = filepath.Join(dir, e.Name())
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		info, err := os.Stat(found[name])
		if err != nil {
			return nil, fmt.Errorf("find health checks: %w", err)
		}
		if info.Mode().IsRegular() && info.Size() > 0 {
			out = append(out, found[name])
		}
	}
	return out, nil
}

// check runs a health check with a time limit.
func check(ctx context.Context, sys System, path string, limit time.Duration) Check {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("timed out after %s", limit))
	defer cancel()
	c := Check{Name: filepath.Base(path), Path: path}
	out, err := sys.Check(ctx, path)
	c.Output = out
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

package initsteps

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// handOver removes what belongs to the owner of the device, and makes the home directories of the image's users anew. It
// can be repeated after a power cut.
func handOver(b *Boot) error {
	for _, dir := range override.HandOverDirs {
		if err := b.empty(dir, false); err != nil {
			return err
		}
	}
	for _, dir := range override.HandOverFiles {
		if err := b.empty(dir, true); err != nil {
			return err
		}
	}
	for _, name := range override.HandOverPaths {
		if err := b.RemoveAll("/", name); err != nil {
			return err
		}
	}
	return makeHomes(b)
}

// empty removes the entries of a directory, and keeps directories below it if asked to. A directory that does not exist is
// empty.
func (b *Boot) empty(dir string, keepDirs bool) error {
	entries, err := fs.ReadDir(b.DirFS("/"), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if keepDirs && e.IsDir() {
			err = b.empty(name, true)
		} else {
			err = b.RemoveAll("/", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeHomes makes the home directories below /home of the users that the image has.
func makeHomes(b *Boot) error {
	users, err := database(b, "/etc/passwd")
	if err != nil {
		return err
	}
	for _, u := range users {
		if len(u) < 6 || !strings.HasPrefix(u[5], "/home/") {
			continue
		}
		uid, uidErr := strconv.Atoi(u[2])
		gid, gidErr := strconv.Atoi(u[3])
		if err := errors.Join(uidErr, gidErr); err != nil {
			return err
		}
		if err := b.Mkdir(path.Clean(u[5]), Info{Mode: 0o700, UID: uid, GID: gid}); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/stages"
)

// homeStore is where pkinit shows the stage store to the owner of a home directory who may change it.
const homeStore = ".local/share/forklift/stages"

// defaultStore is the directory of the stages: of those that there are the one that this user may change.
func defaultStore() string {
	if dir := os.Getenv("FORKLIFT_STAGE_STORE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil || os.Geteuid() == 0 {
		return stages.Dir
	}
	own := filepath.Join(home, homeStore)
	if unix.Access(filepath.Join(own, stages.StoreFile), unix.W_OK) != nil {
		return stages.Dir
	}
	return own
}

package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/stages"
)

// homeStore is where pkinit binds the stage store in the home directory of a member of the group pkctl.
const homeStore = ".local/share/forklift/stages"

// defaultStore returns the directory of the stage store: the one in the environment, else the one in the user's home if
// it can be changed there, else the device's.
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

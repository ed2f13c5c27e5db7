package override

import (
	"encoding/json"
	"fmt"
)

// ResetFile is the file of a queued reset in overlays.StateDir.
const ResetFile = "reset.json"

// resetVersion is the version of the format of the reset.
const resetVersion = 1

// Reset is a factory reset that is queued for the next boot. pkinit sets the next stage and removes the overrides before it
// mounts anything; pkctl stage apply then removes the containers. Whichever of the two does the last part removes ResetFile.
type Reset struct {
	Stage      int  `json:"stage,omitempty"`      // the next stage; 0 once pkinit has done its part
	Overrides  bool `json:"overrides,omitempty"`  // remove all overrides
	HandOver   bool `json:"hand_over,omitempty"`  // remove all that belongs to the owner: see HandOverDirs
	Containers bool `json:"containers,omitempty"` // remove containers, networks and volumes of stages
}

// What a hand-over removes besides overrides and containers, relative to the root file system.
var (
	// HandOverDirs are directories that are emptied.
	HandOverDirs = []string{"home", "root", "srv", "mnt", "media", "tmp", "var/tmp"}
	// HandOverFiles are directories below which all files are removed: services need the directories.
	HandOverFiles = []string{
		"var/log", "var/spool", "var/mail", "var/backups", "var/lib/mosquitto", "var/lib/iwd", "var/lib/bluetooth",
		"var/lib/NetworkManager", "var/lib/dhcpcd", "var/lib/sudo", "var/lib/systemd/coredump", "var/lib/systemd/timers",
	}
	// HandOverPaths are single files and directories.
	HandOverPaths = []string{
		"var/lib/systemd/random-seed", "var/lib/overlays/set-aside", "var/lib/overlays/good.json", "var/lib/overlays/ledger.json",
		"var/lib/overlays/last-boot.json", "var/lib/overlays/next-boot.json",
	}
)

// ParseReset parses a queued factory reset. It fails for another format version, and for a reset without a stage that is not
// of containers alone.
func ParseReset(data []byte) (Reset, error) {
	var file struct {
		Version int `json:"version"`
		Reset
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Reset{}, fmt.Errorf("parse the queued reset: %w", err)
	}
	if file.Version != resetVersion {
		return Reset{}, fmt.Errorf("parse the queued reset: version is %d, want %d", file.Version, resetVersion)
	}
	if file.Stage < 0 || file.Stage == 0 && (file.Overrides || !file.Containers) {
		return Reset{}, fmt.Errorf("parse the queued reset: %d is not the number of a stage", file.Stage)
	}
	return file.Reset, nil
}

// Marshal encodes the queued reset as JSON.
func (r Reset) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(struct {
		Version int `json:"version"`
		Reset
	}{resetVersion, r}, "", "  ")
	return append(data, '\n'), err
}

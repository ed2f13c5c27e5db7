package override

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Files in overlays.StateDir.
const (
	LedgerFile = "ledger.json"
	QueueFile  = "revert.json"
)

// queueVersion is the version of the format of the queue.
const queueVersion = 1

// Queue lists the absolute paths of the overrides that pkinit will delete at the next boot. It does so before it mounts
// the overlays, since layers of a mounted overlay must not change.
type Queue []string

// ParseQueue parses the queue of overrides to revert. It fails for another format version, and for paths that are not below
// a top-level directory, such as /etc.
func ParseQueue(data []byte) (Queue, error) {
	var file struct {
		Version int   `json:"version"`
		Paths   Queue `json:"paths"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("parse the queue of reverts: %w", err)
	}
	if file.Version != queueVersion {
		return nil, fmt.Errorf("parse the queue of reverts: version is %d, want %d", file.Version, queueVersion)
	}
	for _, p := range file.Paths {
		if path.Clean(p) != p || !path.IsAbs(p) || strings.Count(p, "/") < 2 {
			return nil, fmt.Errorf("parse the queue of reverts: %q is not a path in an overlay", p)
		}
	}
	return file.Paths, nil
}

// Add returns the queue with more paths to revert, sorted and without duplicates.
func (q Queue) Add(paths ...string) Queue {
	all := slices.Concat(q, Queue(paths))
	slices.Sort(all)
	return slices.Compact(all)
}

// Marshal encodes the queue as JSON.
func (q Queue) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(map[string]any{"version": queueVersion, "paths": append(Queue{}, q...)}, "", "  ")
	return append(data, '\n'), err
}

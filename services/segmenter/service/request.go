package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// request is a message to the segmenter.
type request struct {
	Action   string
	Paths    []string // directories
	Settings requestSettings
}

// requestSettings are the settings that a message may have. Unknown ones are ignored, as newer clients may send more.
type requestSettings struct {
	Force     bool // segment what was segmented before
	Recursive bool // also the directories below the paths
	Settings  segmenter.Settings
}

// parse reads a message. An error names the field that is wrong.
func parse(payload []byte) (request, error) {
	r := request{Settings: requestSettings{Recursive: true, Settings: segmenter.Settings{EcoTaxa: true, Keep: true}}}
	fields, err := object("payload", payload)
	if err != nil {
		return r, err
	}
	if err := field(fields, "action", "text", &r.Action); err != nil {
		return r, err
	}
	switch r.Action {
	case "stop", "update_config":
		return r, nil
	case "segment":
	case "":
		return r, errors.New("action is missing, want segment or stop")
	default:
		return r, fmt.Errorf("action is %q, want segment or stop", r.Action)
	}
	if r.Paths, err = paths(fields["path"]); err != nil {
		return r, err
	}
	if present(fields["settings"]) {
		return r, r.Settings.parse(fields["settings"])
	}
	return r, nil
}

// parse reads the field settings.
func (s *requestSettings) parse(data json.RawMessage) error {
	fields, err := object("settings", data)
	if err != nil {
		return err
	}
	id := fields["process_id"]
	for _, f := range []struct {
		key, kind string
		into      any
	}{
		{"force", "true or false", &s.Force},
		{"recursive", "true or false", &s.Recursive},
		{"ecotaxa", "true or false", &s.Settings.EcoTaxa},
		{"keep", "true or false", &s.Settings.Keep},
		{"remove_previous_mask", "true or false", &s.Settings.SubtractMasks},
		{"process_min_ESD", "a number of µm", &s.Settings.MinESD},
		{"method", "standard or adaptive", &s.Settings.Method},
	} {
		if err := field(fields, f.key, f.kind, f.into); err != nil {
			return fmt.Errorf("settings.%w", err)
		}
	}
	if present(id) && json.Unmarshal(id, &s.Settings.ProcessID) != nil {
		var number json.Number
		if err := json.Unmarshal(id, &number); err != nil {
			return fmt.Errorf("settings.process_id is %s, want text or a number", id)
		}
		s.Settings.ProcessID = number.String()
	}
	if err := s.Settings.Check(); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

// object reads a JSON object.
func object(name string, data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("%s is not a JSON object", name)
	}
	return fields, nil
}

// present reports whether a field has a value other than null.
func present(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// field reads a field if it is present.
func field(fields map[string]json.RawMessage, key, kind string, into any) error {
	if value := fields[key]; present(value) {
		if err := json.Unmarshal(value, into); err != nil {
			return fmt.Errorf("%s is %.100s, want %s", key, value, kind)
		}
	}
	return nil
}

// paths reads the field path: directories, or a single one.
func paths(data json.RawMessage) ([]string, error) {
	var all []string
	if !present(data) {
		return nil, errors.New("path is missing, want a list of directories")
	}
	if json.Unmarshal(data, &all) != nil {
		var one string
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, fmt.Errorf("path is %.100s, want a list of directories", data)
		}
		all = []string{one}
	}
	if len(all) == 0 {
		return nil, errors.New("path is empty, want a list of directories")
	}
	return all, nil
}

// resolve returns a directory of pictures relative to their root. It fails if the directory does not exist or lies, by
// symlinks or "..", outside the root.
func resolve(root, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, real)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("path %q is outside %s", path, root)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return "", errors.Join(fmt.Errorf("path %q is not a directory", path), err)
	}
	return rel, nil
}

package pallet

import (
	"fmt"
	"os"
	"path"

	"golang.org/x/mod/semver"
)

// Init creates a pallet in a directory, which must be missing or empty but for .git. If from is not nil the new pallet
// requires that pallet and imports everything from it, until the import group is edited. Its format version is the newer
// one of version, which is that of the required pallet, and Version.
func Init(dir, as string, from *Requirement, version string) error {
	if !ValidPath(as) {
		return fmt.Errorf("pallet path %q is invalid, want a path such as github.com/PlanktoScope/pallet-standard", as)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != gitDir {
			return fmt.Errorf("directory %s is not empty: it contains %s", dir, e.Name())
		}
	}
	e := Edit{Dir: dir}
	if err := e.initRequirement(from); err != nil {
		return err
	}
	if semver.Compare(version, Version) < 0 {
		version = Version
	}
	about := description{Path: as, Description: "Describe this pallet here", ReadmeFile: "README.md"}
	files := map[string]string{
		"README.md":                  "# " + path.Base(as) + "\n",
		deploymentsDir + "/.gitkeep": "",
		"packages/.gitkeep":          "",
	}
	for name, content := range files {
		if err := e.writeFile(name, []byte(content)); err != nil {
			return err
		}
	}
	return e.write(palletFile, struct {
		ForkliftVersion string      `yaml:"forklift-version"`
		Pallet          description `yaml:"pallet"`
	}{version, about})
}

// initRequirement requires another pallet and imports all of its files that can be imported.
func (e Edit) initRequirement(from *Requirement) error {
	if from == nil {
		return nil
	}
	if err := e.SetRequirement(*from, ""); err != nil {
		return err
	}
	const group = "# All that the pallet has. Remove or replace modifiers as you like; your own files win anyway.\n" +
		"modifiers:\n  - target: /deployments\n  - target: /features\n  - target: /packages\n" +
		"  - target: /requirements/repositories\n"
	return e.writeFile(path.Join(requiredPallets, from.Path, "all"+importsSuffix), []byte(group))
}

package pallet

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/mod/semver"
)

// Init makes a pallet in a directory that is empty or not there yet. One that is based on another pallet requires it
// and has all that it has, until the group of imports says otherwise; its format is that other one's, which has a
// version, or else the one in which bundles are made, if that is newer.
func Init(dir, as string, from *Requirement, version string) error {
	if text := badPath(as); text != "" || as == "" {
		return fmt.Errorf("the name %q of the pallet %s; it is a path such as github.com/PlanktoScope/pallet-standard", as, text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if e.Name() != gitDir {
			return fmt.Errorf("%s is not empty: it has %s", dir, filepath.Join(dir, e.Name()))
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

// initRequirement requires another pallet, and takes all from it that may be taken.
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

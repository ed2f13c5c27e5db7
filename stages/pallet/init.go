package pallet

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Init creates a new pallet in a directory that is missing, or empty but for .git. The pallet's path is the argument as. If
// from is not nil, the new pallet requires the pallet in from, whose content is base, and imports all its directories. It
// declares Forklift's format Version, or that of base if it is newer.
func Init(dir, as string, from *Requirement, base *Pallet) error {
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
	version := Version
	if from != nil {
		if err := e.initRequirement(*from, base); err != nil {
			return err
		}
		if semver.Compare(base.ForkliftVersion(), version) > 0 {
			version = base.ForkliftVersion()
		}
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
	return e.writeYAML(palletFile, struct {
		ForkliftVersion string      `yaml:"forklift-version"`
		Pallet          description `yaml:"pallet"`
	}{version, about})
}

// initRequirement requires another pallet and imports all of its directories that have files.
func (e Edit) initRequirement(from Requirement, base *Pallet) error {
	if err := e.SetRequirement(from, ""); err != nil {
		return err
	}
	group := "# All directories of the pallet. Change the modifiers as you like; your own files hide imported ones.\nmodifiers:"
	for _, dir := range base.importable() {
		group += "\n  - target: /" + dir
	}
	if len(base.importable()) == 0 {
		group += " []"
	}
	return e.writeFile(path.Join(requiredPallets, from.Path, "all"+importsSuffix), []byte(group+"\n"))
}

// importable returns the directories at the top of the pallet that have files which can be imported, sorted. Those of
// requirements are listed one level below.
func (p *Pallet) importable() []string {
	var all []string
	for name := range p.layered.merged.files(".") {
		dir, rest, ok := strings.Cut(name, "/")
		if dir == "requirements" {
			second, _, _ := strings.Cut(rest, "/")
			dir = path.Join(dir, second)
		}
		if ok && !strings.HasPrefix(dir, ".") && targetProblem("/"+name) == "" {
			all = append(all, dir)
		}
	}
	return slices.Compact(all)
}

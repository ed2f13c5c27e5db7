package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxFeatures is the longest chain of features that add each other.
const maxFeatures = 64

// feature returns the files of a feature that the pallet offers. The name is its path below the pallet's features
// directory, or PALLET/features/NAME for a feature of a required pallet. Results are cached.
func (t *layered) feature(l *loader, name string) (mapping, error) {
	name = strings.TrimPrefix(path.Join("/", name), "/")
	if m, ok := t.features[name]; ok {
		return m, nil
	}
	if i := slices.Index(t.pending, name); i >= 0 {
		return nil, fmt.Errorf("dependency cycle between features of %s: %s", t.name(),
			strings.Join(append(t.pending[i:], name), " adds "))
	}
	if len(t.pending) == maxFeatures {
		return nil, fmt.Errorf("feature %q of %s is the end of a chain of more than %d features", name, t.name(), maxFeatures)
	}
	declared, f, err := t.readFeature(l, name)
	if err != nil {
		return nil, err
	}
	if declared.Deprecated != "" {
		l.note("%s: feature %s of %s is deprecated: %s", f.name, name, t.name(), declared.Deprecated)
	}
	t.pending = append(t.pending, name)
	m := t.evaluate(l, declared, f)
	t.pending = t.pending[:len(t.pending)-1]
	t.features[name] = m
	return m, nil
}

func (t *layered) readFeature(l *loader, name string) (importDeclaration, *file, error) {
	var declared importDeclaration
	local := path.Join(featuresDir, name) + featureSuffix
	f, err := t.merged.read(l.roots, local, &declared)
	if !errors.Is(err, fs.ErrNotExist) {
		return declared, f, err
	}
	for _, req := range t.required {
		base, ok := strings.CutPrefix(name, req.Path+"/"+featuresDir+"/")
		if !ok || req.tree == nil {
			continue
		}
		f, err := req.tree.merged.read(l.roots, path.Join(featuresDir, base)+featureSuffix, &declared)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		return declared, f, err
	}
	return declared, f, fmt.Errorf("pallet %s has no feature %q: %s is missing", t.name(), name, local)
}

// featureNames returns the names of the features that the pallet offers.
func (t *layered) featureNames() []string {
	return namesOf(t.merged, featuresDir, featureSuffix)
}

// namesOf returns the paths of the files below a directory that have a suffix, without directory and suffix.
func namesOf(v *view, dir, suffix string) []string {
	names := []string{}
	for name := range v.files(dir) {
		if base, ok := strings.CutSuffix(strings.TrimPrefix(name, dir+"/"), suffix); ok && base != "" {
			names = append(names, base)
		}
	}
	return names
}

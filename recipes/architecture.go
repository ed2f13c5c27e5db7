package recipes

import (
	"strings"
)

// selectPackages drops the packages that are for another architecture than the recipe's, as in linux-image-arm64 [arm64],
// and layers of nothing else.
func (r *Recipe) selectPackages() {
	var kept []Layer
	for _, l := range r.Layers {
		had := len(l.Packages) + len(l.Install)
		l.Packages, l.Install = packagesFor(r.Architecture, l.Packages), packagesFor(r.Architecture, l.Install)
		if had == 0 || len(l.Packages)+len(l.Install) > 0 {
			kept = append(kept, l)
		}
	}
	r.Layers = kept
}

// packagesFor returns the packages for an architecture, without its name in brackets.
func packagesFor(architecture string, packages []string) []string {
	var kept []string
	for _, p := range packages {
		name, only, restricted := strings.Cut(p, " ")
		if !restricted || only == "["+architecture+"]" {
			kept = append(kept, name)
		}
	}
	return kept
}

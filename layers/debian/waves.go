package debian

import "slices"

// wave is a step of an installation: packages that are configured, then packages that are unpacked.
type wave struct{ configure, unpack []*deb }

// waves orders packages so that the pre-dependencies of a package, with all their dependencies, are configured before it is
// unpacked. Packages in a dependency cycle are all in the last wave.
func waves(debs []*deb) []wave {
	by := providers(debs)
	var out []wave
	unpacked, configured := map[*deb]bool{}, map[*deb]bool{}
	for rest := debs; len(rest) > 0; {
		var w wave
		var later []*deb
		for _, d := range rest {
			before := by.closure(by.related(d, "pre-depends"))
			if slices.ContainsFunc(before, func(b *deb) bool { return !unpacked[b] }) {
				later = append(later, d)
				continue
			}
			w.unpack = append(w.unpack, d)
			for _, b := range before {
				if !configured[b] {
					configured[b] = true
					w.configure = append(w.configure, b)
				}
			}
		}
		if len(w.unpack) == 0 {
			w.unpack, later = rest, nil
		}
		for _, d := range w.unpack {
			unpacked[d] = true
		}
		out, rest = append(out, w), later
	}
	return out
}

// byName finds packages by name or by a virtual name that they provide.
type byName map[string][]*deb

func providers(debs []*deb) byName {
	by := byName{}
	for _, d := range debs {
		by[d.Name] = append(by[d.Name], d)
		for _, provided := range d.fields.relations("provides") {
			by[provided[0]] = append(by[provided[0]], d)
		}
	}
	return by
}

// related returns the packages that a field of another package names.
func (by byName) related(d *deb, field string) []*deb {
	var out []*deb
	for _, names := range d.fields.relations(field) {
		for _, name := range names {
			out = append(out, by[name]...)
		}
	}
	return out
}

// closure returns packages with all their dependencies.
func (by byName) closure(debs []*deb) []*deb {
	var out []*deb
	for len(debs) > 0 {
		d := debs[0]
		debs = debs[1:]
		if !slices.Contains(out, d) {
			out = append(out, d)
			debs = slices.Concat(debs, by.related(d, "pre-depends"), by.related(d, "depends"))
		}
	}
	return out
}

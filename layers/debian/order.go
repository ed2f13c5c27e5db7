package debian

// early returns the packages that must be unpacked before any preinst script runs: the essential ones and what the
// others declare as Pre-Depends, with all that these depend on. The order is kept.
func early(debs []*deb) []*deb {
	by := providers(debs)
	in := map[*deb]bool{}
	var add func(d *deb)
	follow := func(d *deb, field string) {
		for _, other := range by.related(d, field) {
			add(other)
		}
	}
	add = func(d *deb) {
		if in[d] {
			return
		}
		in[d] = true
		follow(d, "pre-depends")
		follow(d, "depends")
	}
	for _, d := range debs {
		if d.fields["essential"] == "yes" {
			add(d)
		}
		if d.script("preinst") != nil {
			follow(d, "pre-depends")
		}
	}
	var out []*deb
	for _, d := range debs {
		if in[d] {
			out = append(out, d)
		}
	}
	return out
}

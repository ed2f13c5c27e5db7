package debian

import "slices"

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

// batches splits packages into sets that are installed one after the other, so that the packages on which a preinst script
// relies are configured when it runs. Essential packages have to do without. Packages in a dependency cycle are all in the
// last set.
func batches(debs []*deb) [][]*deb {
	by := providers(debs)
	essential := by.closure(slices.DeleteFunc(slices.Clone(debs), func(d *deb) bool { return d.fields["essential"] != "yes" }))
	needs := map[*deb][]*deb{}
	for _, d := range debs {
		if d.script("preinst") != nil && !slices.Contains(essential, d) {
			needs[d] = configurable(without(by.closure(by.related(d, "pre-depends")), essential))
		}
	}
	var out [][]*deb
	for rest := debs; ; {
		var wanted []*deb
		unmet := func(d *deb) bool {
			return slices.ContainsFunc(needs[d], func(other *deb) bool { return slices.Contains(rest, other) })
		}
		for _, d := range rest {
			if unmet(d) {
				wanted = append(wanted, needs[d]...)
			}
		}
		batch := slices.DeleteFunc(slices.Clone(rest), func(d *deb) bool {
			return unmet(d) || !slices.Contains(wanted, d) && !slices.Contains(essential, d)
		})
		if len(wanted) == 0 || len(batch) == 0 {
			return append(out, rest)
		}
		out, rest = append(out, batch), without(rest, batch)
	}
}

// configurable returns packages if configuring them changes anything, else none.
func configurable(debs []*deb) []*deb {
	if slices.ContainsFunc(debs, func(d *deb) bool { return d.script("postinst") != nil || len(d.conffiles) > 0 }) {
		return debs
	}
	return nil
}

// without returns packages without some others, in their order.
func without(debs, others []*deb) []*deb {
	return slices.DeleteFunc(slices.Clone(debs), func(d *deb) bool { return slices.Contains(others, d) })
}

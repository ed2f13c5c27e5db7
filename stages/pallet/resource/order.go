package resource

import (
	"maps"
	"slices"
)

// Order maps the name of each deployment to the sorted names of the deployments that have to start before it.
type Order map[string][]string

// NewOrder returns the start order of the named deployments that follows from met requirements. It ignores nonblocking
// requirements, those that a deployment meets itself, and those in which a deployment that is not named takes part.
func NewOrder(deployments []string, met []Edge) Order {
	order := Order{}
	for _, name := range deployments {
		order[name] = nil
	}
	for _, e := range met {
		from, to := e.Required.Deployment, e.Provided.Deployment
		_, fromIn := order[from]
		_, toIn := order[to]
		if fromIn && toIn && from != to && !e.Required.Nonblocking {
			order[from] = append(order[from], to)
		}
	}
	for name, after := range order {
		slices.Sort(after)
		order[name] = slices.Compact(after)
	}
	return order
}

// Cycle returns a dependency cycle: deployments each of which depends on the next one, and the last on the first; nil if
// there is none.
func (o Order) Cycle() []string {
	done := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if cycle := o.cycleFrom(name, done); cycle != nil {
			return cycle
		}
	}
	return nil
}

// cycleFrom is a depth-first search from a deployment. It does not recurse, since chains may be long.
func (o Order) cycleFrom(start string, done map[string]bool) []string {
	path := []string{start}
	on := map[string]int{start: 0}
	next := map[string]int{}
	for len(path) > 0 {
		at := path[len(path)-1]
		if done[at] || next[at] == len(o[at]) {
			done[at] = true
			delete(on, at)
			path = path[:len(path)-1]
			continue
		}
		after := o[at][next[at]]
		next[at]++
		if i, ok := on[after]; ok {
			return slices.Clone(path[i:])
		}
		if !done[after] {
			on[after] = len(path)
			path = append(path, after)
		}
	}
	return nil
}

// Before reports whether a deployment has to start before another one, directly or not.
func (o Order) Before(first, then string) bool {
	seen := map[string]bool{}
	pending := slices.Clone(o[then])
	for len(pending) > 0 {
		name := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if name == first {
			return true
		}
		if !seen[name] {
			seen[name] = true
			pending = append(pending, o[name]...)
		}
	}
	return false
}

// Waves returns the deployments in their start order. Those of one wave can start at the same time. The last wave has all
// deployments that are in or depend on a cycle.
func (o Order) Waves() [][]string {
	var waves [][]string
	done := map[string]bool{}
	for len(done) < len(o) {
		var wave []string
		for name, after := range o {
			if !done[name] && !slices.ContainsFunc(after, func(a string) bool { return !done[a] }) {
				wave = append(wave, name)
			}
		}
		if len(wave) == 0 {
			wave = slices.DeleteFunc(slices.Collect(maps.Keys(o)), func(name string) bool { return done[name] })
		}
		slices.Sort(wave)
		for _, name := range wave {
			done[name] = true
		}
		waves = append(waves, wave)
	}
	return waves
}

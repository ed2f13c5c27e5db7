package resource

import (
	"fmt"
	"slices"
)

// Edge is a required resource, limited to one path, and the provided resource that meets it.
type Edge struct{ Required, Provided Resource }

// Missing is a required resource, limited to one path, that no deployment provides.
type Missing struct {
	Required Resource
	Nearest  []Resource // resources that differ in tags or paths only
}

// String returns a message with the unmet requirement, its position, and up to three similar resources.
func (m Missing) String() string {
	text := fmt.Sprintf("%s: deployment %s requires %s, which no deployment provides",
		m.Required.Position, m.Required.Deployment, m.Required)
	for i, n := range m.Nearest {
		if i == 3 {
			return fmt.Sprintf("%s, and %d others", text, len(m.Nearest)-i)
		}
		text += fmt.Sprintf("; deployment %s provides %s (%s)", n.Deployment, n, n.Position)
	}
	return text
}

// Match finds, for each required resource, a provided one that meets it: met has the pairs and missing the rest. Each
// path of a requirement is matched separately; of several candidates the first is taken. A deployment may meet its own
// requirements.
func Match(required, provided []Resource) (met []Edge, missing []Missing) {
	index := map[bucketKey][]Resource{}
	for _, p := range provided {
		key := bucketKey{p.Kind, p.Port, p.Protocol, p.Name}
		index[key] = append(index[key], p)
	}
	for _, whole := range required {
		for _, r := range split(whole) {
			near := index[bucketKey{r.Kind, r.Port, r.Protocol, r.Name}]
			i := slices.IndexFunc(near, func(p Resource) bool { return meets(p, r) })
			if i < 0 {
				missing = append(missing, Missing{r, near})
				continue
			}
			met = append(met, Edge{r, near[i]})
		}
	}
	return met, missing
}

// split returns a requirement for each path of a requirement.
func split(r Resource) []Resource {
	if len(r.Paths) == 0 {
		return []Resource{r}
	}
	all := make([]Resource, len(r.Paths))
	for i, path := range r.Paths {
		all[i] = r
		all[i].Paths = []string{path}
	}
	return all
}

// meets reports whether a resource of the same kind, port, protocol and name has the required tags and path.
func meets(provided, required Resource) bool {
	for _, tag := range required.Tags {
		if !slices.Contains(provided.Tags, tag) {
			return false
		}
	}
	for _, path := range required.Paths {
		met := func(p string) bool { return p == path || covers(p, path) }
		if !slices.ContainsFunc(provided.Paths, met) {
			return false
		}
	}
	return true
}

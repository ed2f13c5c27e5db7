package resource

import (
	"cmp"
	"fmt"
	"path"
	"slices"
)

// Conflict is two provided resources of different deployments that exclude each other, such as two listeners on one
// port.
type Conflict struct {
	First, Second Resource
	Reasons       []string // such as: same port/protocol '80/tcp'
}

// String returns a message with both resources, their deployments and positions, and the reasons why they conflict.
func (c Conflict) String() string {
	return fmt.Sprintf("%s: %s of deployment %s conflicts with %s of deployment %s (%s): %s", c.First.Position,
		c.First, c.First.Deployment, c.Second, c.Second.Deployment, c.Second.Position, joined(c.Reasons))
}

func joined(reasons []string) string {
	const most = 5
	text := ""
	for i, r := range reasons {
		switch {
		case i == most:
			return fmt.Sprintf("%s and %d more", text, len(reasons)-most)
		case i > 0:
			text += ", "
		}
		text += r
	}
	return text
}

// Conflicts returns the conflicts between the resources that different deployments provide, at most most of them,
// sorted by the names of the deployments.
func Conflicts(provided []Resource, most int) []Conflict {
	f := finder{most: most}
	for _, bucket := range buckets(provided) {
		f.pairs(bucket)
	}
	f.exports(provided)
	slices.SortStableFunc(f.found, func(a, b Conflict) int {
		return cmp.Or(cmp.Compare(a.First.Deployment, b.First.Deployment),
			cmp.Compare(a.Second.Deployment, b.Second.Deployment))
	})
	return f.found
}

// bucketKey has the fields that are equal in conflicting resources other than file exports.
type bucketKey struct {
	kind     Kind
	port     int
	protocol string
	name     string
}

func buckets(provided []Resource) [][]Resource {
	index := map[bucketKey]int{}
	var all [][]Resource
	for _, r := range provided {
		if r.Kind == FileExport {
			continue
		}
		key := bucketKey{r.Kind, r.Port, r.Protocol, r.Name}
		i, ok := index[key]
		if !ok {
			i = len(all)
			index[key] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], r)
	}
	return all
}

// finder collects conflicts.
type finder struct {
	found []Conflict
	most  int
}

func (f *finder) pairs(bucket []Resource) {
	for i, a := range bucket {
		for _, b := range bucket[i+1:] {
			if len(f.found) == f.most {
				return
			}
			if a.Deployment != b.Deployment {
				f.add(a, b, reasons(a, b))
			}
		}
	}
}

func (f *finder) add(a, b Resource, reasons []string) {
	if len(reasons) == 0 {
		return
	}
	if a.Deployment > b.Deployment {
		a, b = b, a
	}
	f.found = append(f.found, Conflict{a, b, reasons})
}

// reasons returns why two resources of one bucket conflict; nil if they do not.
func reasons(a, b Resource) []string {
	switch {
	case a.Kind == Listener:
		return []string{fmt.Sprintf("same port/protocol '%d/%s'", a.Port, a.Protocol)}
	case a.Kind == Network:
		return []string{fmt.Sprintf("same name '%s'", a.Name)}
	case a.Kind == Service && len(a.Paths) == 0 && len(b.Paths) == 0:
		return []string{fmt.Sprintf("same port/protocol '%d/%s' without specified service paths", a.Port, a.Protocol)}
	case a.Kind == Fileset && (len(a.Paths) == 0 || len(b.Paths) == 0):
		return []string{"no specified fileset paths"}
	}
	return overlaps(a.Paths, b.Paths)
}

// overlaps returns a message for each pair of overlapping paths of two lists.
func overlaps(as, bs []string) []string {
	var all []string
	for _, a := range as {
		for _, b := range bs {
			switch {
			case a == b:
				all = append(all, fmt.Sprintf("same path '%s'", a))
			case covers(a, b) || covers(b, a):
				all = append(all, fmt.Sprintf("overlapping paths '%s' and '%s'", a, b))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// exports adds conflicts of file exports with the same target, or with one target below the other.
func (f *finder) exports(provided []Resource) {
	byTarget := map[string][]Resource{}
	for _, r := range provided {
		if r.Kind == FileExport {
			byTarget[r.Name] = append(byTarget[r.Name], r)
		}
	}
	for _, r := range provided {
		if r.Kind != FileExport {
			continue
		}
		for above := range parents(r.Name) {
			for _, other := range byTarget[above] {
				if len(f.found) == f.most {
					return
				}
				f.export(other, r)
			}
		}
	}
}

// export adds the conflict of an export with one at the same target or below it, unless they are of one deployment.
func (f *finder) export(a, b Resource) {
	switch {
	case a.Deployment == b.Deployment:
	case a.Name != b.Name:
		f.add(a, b, []string{fmt.Sprintf("overlapping paths '%s' and '%s'", a.Name, b.Name)})
	case a.Deployment < b.Deployment:
		f.add(a, b, []string{fmt.Sprintf("same path '%s'", a.Name)})
	}
}

// parents yields a path and the directories above it without "/" and ".". The path is not cleaned.
func parents(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for yield(name) {
			above := path.Dir(name)
			if above == name || above == "." || above == "/" || len(above) >= len(name) {
				return
			}
			name = above
		}
	}
}

package resource

import (
	"fmt"
	"strings"
)

// Kind is what a resource is.
type Kind string

// The kinds of resources.
const (
	Listener   Kind = "listener"    // on a port of the host
	Network    Kind = "network"     // of containers
	Service    Kind = "service"     // that others call
	Fileset    Kind = "fileset"     // files that others use
	FileExport Kind = "file-export" // a file that the deployment puts into its stage
)

// Resource is something that a deployment provides or requires. Of the fields below Place, each kind has its own.
type Resource struct {
	Kind        Kind
	Deployment  string       // that provides or requires it
	Place       fmt.Stringer // of its declaration, such as file:line:column
	Port        int          // of a listener or service; 0 if it has none
	Protocol    string       // of a listener or service: any text
	Name        string       // of a network; target of a file export
	Tags        []string     // of a service or fileset
	Paths       []string     // of a service or fileset: exact, or prefixes, which end in "*"
	Nonblocking bool         // of a requirement: who requires it starts without waiting for it
}

// String says what the resource is, such as "service 80/http at /a, /b/* tagged x".
func (r Resource) String() string {
	var b strings.Builder
	b.WriteString(string(r.Kind))
	switch r.Kind {
	case Listener, Service:
		fmt.Fprintf(&b, " %d/%s", r.Port, r.Protocol)
	case Network, FileExport:
		b.WriteString(" " + r.Name)
	}
	if len(r.Paths) > 0 {
		b.WriteString(" at " + strings.Join(r.Paths, ", "))
	}
	if len(r.Tags) > 0 {
		b.WriteString(" tagged " + strings.Join(r.Tags, ", "))
	}
	return b.String()
}

// Size is by how much the resource makes checks longer: 1, or the number of its paths.
func (r Resource) Size() int { return max(1, len(r.Paths)) }

// prefix is what all paths begin with that a path stands for, and whether it stands for more than itself.
func prefix(path string) (string, bool) { return strings.CutSuffix(path, "*") }

// covers reports whether a prefix stands for all that a path stands for.
func covers(pattern, path string) bool {
	before, ok := prefix(pattern)
	return ok && strings.HasPrefix(strings.TrimSuffix(path, "*"), before)
}

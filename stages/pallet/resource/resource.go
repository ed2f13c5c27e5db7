package resource

import (
	"fmt"
	"strings"
)

// Kind is the kind of a resource: listener, network, service, fileset or file export.
type Kind string

// The kinds of resources.
const (
	Listener   Kind = "listener"    // on a port of the host
	Network    Kind = "network"     // Docker network
	Service    Kind = "service"     // network service that other deployments use
	Fileset    Kind = "fileset"     // files that other deployments use
	FileExport Kind = "file-export" // file in the exports of the bundle
)

// Resource is a provided or required resource of a deployment. The fields below Position depend on the kind.
type Resource struct {
	Kind        Kind
	Deployment  string
	Position    fmt.Stringer // of its declaration, such as file:line:column
	Port        int          // of a listener or service; 0 if it has none
	Protocol    string       // of a listener or service: any text
	Name        string       // of a network; target of a file export
	Tags        []string     // of a service or fileset
	Paths       []string     // of a service or fileset: exact, or prefixes, which end in "*"
	Nonblocking bool         // of a requirement: the deployment does not wait for it
}

// String returns a description such as "service 80/http at /a, /b/* tagged x".
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

// Size returns the number of paths of the resource, but at least 1. The time to check resources grows with it.
func (r Resource) Size() int { return max(1, len(r.Paths)) }

// prefix returns a path without its final "*", and whether it had one.
func prefix(path string) (string, bool) { return strings.CutSuffix(path, "*") }

// covers reports whether a pattern that ends in "*" covers a path or pattern.
func covers(pattern, path string) bool {
	before, ok := prefix(pattern)
	return ok && strings.HasPrefix(strings.TrimSuffix(path, "*"), before)
}

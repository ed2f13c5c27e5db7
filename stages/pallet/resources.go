package pallet

import (
	"slices"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// part is a section of a package that a deployment enables, with its position.
type part struct {
	Feature
	at keyPath
}

// parts returns the enabled sections of the deployment's package: its deployment section, then its features by name.
func (d *Deployment) parts() []part {
	all := []part{{d.Package.Deployment, keyPath{"deployment"}}}
	for _, name := range d.features() {
		all = append(all, part{d.Package.Features[name], keyPath{"features", name}})
	}
	return all
}

// provided returns the resources that a deployment provides, those of the package's host section included.
func (d *Deployment) provided() []resource.Resource {
	all := d.resources(d.Package.Host.Provides, keyPath{"host", "provides"})
	for _, p := range d.parts() {
		all = append(all, d.resources(p.Provides, append(slices.Clone(p.at), "provides"))...)
	}
	return all
}

// required returns the resources that a deployment requires.
func (d *Deployment) required() []resource.Resource {
	var all []resource.Resource
	for _, p := range d.parts() {
		p.Requires.Listeners, p.Requires.FileExports = nil, nil // the format has no such requirements
		all = append(all, d.resources(p.Requires, append(slices.Clone(p.at), "requires"))...)
	}
	return all
}

func (d *Deployment) resources(declared Resources, at keyPath) []resource.Resource {
	var all []resource.Resource
	for _, list := range []struct {
		kind resource.Kind
		key  string
		of   []Resource
	}{
		{resource.Listener, "listeners", declared.Listeners},
		{resource.Network, "networks", declared.Networks},
		{resource.Service, "services", declared.Services},
		{resource.Fileset, "filesets", declared.Filesets},
	} {
		for i, r := range list.of {
			r := resource.Resource{
				Kind: list.kind, Port: r.Port, Protocol: r.Protocol, Name: r.Name, Tags: r.Tags, Paths: r.Paths,
				Nonblocking: r.Nonblocking,
			}
			all = append(all, d.newResource(r, at, list.key, i))
		}
	}
	for i, e := range declared.FileExports {
		all = append(all, d.newResource(resource.Resource{Kind: resource.FileExport, Name: e.Target}, at, "file-exports", i))
	}
	return all
}

// newResource returns a resource with the fields of its kind and its position.
func (d *Deployment) newResource(r resource.Resource, at keyPath, key string, i int) resource.Resource {
	switch r.Kind {
	case resource.Listener:
		r.Name, r.Tags, r.Paths = "", nil, nil
	case resource.Network:
		r.Port, r.Protocol, r.Tags, r.Paths = 0, "", nil, nil
	case resource.Service:
		r.Name = ""
	case resource.Fileset:
		r.Port, r.Protocol, r.Name = 0, "", ""
	}
	r.Deployment = d.Name
	at = append(slices.Clone(at), key, i)
	if r.Kind == resource.FileExport {
		at = append(at, "target")
	}
	r.Position = position{d.Package.file, at}
	return r
}

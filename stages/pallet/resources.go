package pallet

import (
	"slices"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// part is something that a deployment brings, and where the package declares it.
type part struct {
	Feature
	at steps
}

// parts are all that a deployment brings, without what the host has anyway.
func (d *Deployment) parts() []part {
	all := []part{{d.Package.Deployment, steps{"deployment"}}}
	for _, name := range d.features() {
		all = append(all, part{d.Package.Features[name], steps{"features", name}})
	}
	return all
}

// provided are the resources that a deployment provides, with those that the host has where its package is deployed.
func (d *Deployment) provided() []resource.Resource {
	all := d.resources(d.Package.Host.Provides, steps{"host", "provides"})
	for _, p := range d.parts() {
		all = append(all, d.resources(p.Provides, append(slices.Clone(p.at), "provides"))...)
	}
	return all
}

// required are the resources that a deployment requires.
func (d *Deployment) required() []resource.Resource {
	var all []resource.Resource
	for _, p := range d.parts() {
		p.Requires.Listeners, p.Requires.FileExports = nil, nil // these are provided only
		all = append(all, d.resources(p.Requires, append(slices.Clone(p.at), "requires"))...)
	}
	return all
}

func (d *Deployment) resources(declared Resources, at steps) []resource.Resource {
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
			all = append(all, d.placed(r, at, list.key, i))
		}
	}
	for i, e := range declared.FileExports {
		all = append(all, d.placed(resource.Resource{Kind: resource.FileExport, Name: e.Target}, at, "file-exports", i))
	}
	return all
}

// placed is a resource with the fields that its kind has, and its place.
func (d *Deployment) placed(r resource.Resource, at steps, key string, i int) resource.Resource {
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
	r.Place = place{d.Package.file, at}
	return r
}

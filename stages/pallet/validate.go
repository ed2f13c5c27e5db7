package pallet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// Validation is the result of Pallet.Validate: mistakes, warnings, start order and Compose apps.
type Validation struct {
	Report   Report
	Order    resource.Order          // start order of the Compose apps
	Apps     map[string]*compose.App // by deployment, without those that cannot be loaded
	Mistakes []error                 // of the whole pallet
	Broken   map[string][]error      // mistakes of single Compose apps, which cannot start on any device; by deployment
	Warnings []string                // reasons for which an app may not start, each with its position

	projects map[string]*compose.Project
}

// Validate checks everything that decides whether a device can run the pallet: resources, compose files, references. It
// is used before pallets are bundled or staged, and for staged bundles at boot.
func (p *Pallet) Validate(ctx context.Context) *Validation {
	r := roots{}
	v := p.validate(ctx, r)
	if !p.staged {
		b := bundler{ctx: ctx, roots: r, files: tree{}, skipDownloads: true}
		b.bundle(p, v.Err() != nil)
		b.mistakes.add(b.files.check())
		v.Mistakes, v.Warnings = append(v.Mistakes, b.mistakes...), append(v.Warnings, b.warnings...)
	}
	if err := r.close(); err != nil {
		v.Mistakes = append(v.Mistakes, err)
	}
	return v
}

// validate is Validate without the files of the bundle.
func (p *Pallet) validate(ctx context.Context, r roots) *Validation {
	v := &Validation{
		Report: p.Check(), Apps: map[string]*compose.App{}, Broken: map[string][]error{}, projects: map[string]*compose.Project{},
	}
	v.Order = p.order(v.Report)
	if cycle := v.Order.Cycle(); cycle != nil {
		v.Mistakes = append(v.Mistakes, p.layered.file.errorf(nil, "dependency cycle between deployments: %s; make one of the "+
			"requirements nonblocking", strings.Join(append(cycle, cycle[0]), " waits for ")))
	}
	names := map[string]string{}
	for _, d := range p.enabled() {
		project, err := d.project(ctx, r)
		if err != nil {
			v.Mistakes = append(v.Mistakes, err)
		}
		if project == nil {
			continue
		}
		if other, taken := names[d.AppName()]; taken {
			v.Mistakes = append(v.Mistakes, d.file.errorf(nil, "deployments %s and %s have the same Compose project name, %s; "+
				"rename one of them", other, d.Name, d.AppName()))
		}
		names[d.AppName()] = d.Name
		v.Apps[d.Name], v.projects[d.Name] = project.App, project
	}
	a := appValidator{Validation: v, pallet: p, roots: r}
	a.apps()
	return v
}

// ServiceImages returns the image names of a deployment's Compose services, by service, as in the compose files. It returns
// nil if the deployment has no Compose app, or one that cannot be loaded.
func (v *Validation) ServiceImages(deployment string) map[string]string {
	if project := v.projects[deployment]; project != nil {
		return project.Images
	}
	return nil
}

// Err returns nil if a device can run the pallet. Otherwise it joins all mistakes, one per line, followed by
// Report.Err's summary.
func (v *Validation) Err() error { return v.withSummary(v.mistakes()) }

// BlockingErr returns the mistakes of the pallet as a whole, for which a device can start none of its apps; nil if
// there are none. Mistakes of single apps do not count.
func (v *Validation) BlockingErr() error {
	return v.withSummary(append(v.Report.errors(), v.Mistakes...))
}

func (v *Validation) withSummary(all []error) error {
	if v.Report.Err() != nil {
		all = append(all, errors.New(v.Report.summary()))
	}
	return errors.Join(all...)
}

// OtherMistakes returns all mistakes except conflicts and missing resources, which Report has.
func (v *Validation) OtherMistakes() []error {
	var all mistakes
	for _, name := range slices.Sorted(maps.Keys(v.Broken)) {
		for _, err := range v.Broken[name] {
			all.add(err)
		}
	}
	for _, err := range v.Mistakes {
		all.add(err)
	}
	return all
}

// mistakes returns all mistakes without the summary.
func (v *Validation) mistakes() []error { return append(v.Report.errors(), v.OtherMistakes()...) }

// appValidator checks Compose apps against the bundle and against each other.
type appValidator struct {
	*Validation
	pallet *Pallet
	roots  roots
}

// broken adds a mistake of an app, with the position of a value in its compose files.
func (a appValidator) broken(d *Deployment, at []any, format string, args ...any) {
	err := fmt.Errorf("%s: deployment %s: %w", d.composePosition(a.roots, at), d.Name, fmt.Errorf(format, args...))
	a.Broken[d.Name] = append(a.Broken[d.Name], err)
}

func (a appValidator) warn(d *Deployment, at []any, format string, args ...any) {
	a.Warnings = append(a.Warnings, fmt.Sprintf("%s: deployment %s: %s", d.composePosition(a.roots, at), d.Name, fmt.Sprintf(format, args...)))
}

func (a appValidator) apps() {
	containers := map[string]*Deployment{}
	ports := map[publishedPort][]publisher{}
	for _, d := range a.pallet.enabled() {
		project := a.projects[d.Name]
		if project == nil {
			continue
		}
		for _, m := range project.Mistakes {
			a.broken(d, m.Path, "%s", m.Text)
		}
		a.homes(d)
		if len(project.App.Services) == 0 {
			a.warn(d, []any{"services"}, "app has no service without a profile: there is nothing to start")
		}
		for _, n := range project.Needs {
			if problem := a.need(n); problem != "" {
				a.broken(d, n.Path, "%s %s", n.Use, problem)
			}
		}
		for _, c := range project.Containers {
			if other, taken := containers[c.Name]; taken {
				a.broken(d, c.Path, "deployment %s has a container named %s, too", other.Name, c.Name)
			}
			containers[c.Name] = d
		}
		for _, port := range project.Ports {
			a.port(ports, d, port)
		}
	}
	a.external("network", func(p *compose.Project) compose.Uses { return p.Networks })
	a.external("volume", func(p *compose.Project) compose.Uses { return p.Volumes })
}

// publishedPort is a port of the host, and publisher one of its users.
type publishedPort struct {
	number   int
	protocol string
}

type publisher struct {
	deployment  *Deployment
	service, ip string
}

// port adds a published port. Two services cannot publish the same one, unless on different addresses.
func (a appValidator) port(all map[publishedPort][]publisher, d *Deployment, port compose.Port) {
	key := publishedPort{port.Number, port.Protocol}
	for _, other := range all[key] {
		if other.ip == "" || port.IP == "" || other.ip == port.IP {
			a.broken(d, port.Path, "service %s publishes port %d/%s, as does service %s of deployment %s",
				port.Service, port.Number, port.Protocol, other.service, other.deployment.Name)
		}
	}
	all[key] = append(all[key], publisher{d, port.Service, port.IP})
}

// external warns of networks or volumes that two apps create, and of external ones that no app creates, or that an app
// creates which may start later.
func (a appValidator) external(kind string, uses func(*compose.Project) compose.Uses) {
	creators := map[string]string{}
	for _, d := range a.pallet.enabled() {
		if a.projects[d.Name] == nil {
			continue
		}
		created := uses(a.projects[d.Name]).Created
		for _, name := range slices.Sorted(maps.Keys(created)) {
			if other, taken := creators[name]; taken {
				a.warn(d, created[name], "%s %s is created by deployment %s, too; make it external here", kind, name, other)
			}
			creators[name] = d.Name
		}
	}
	for _, d := range a.pallet.enabled() {
		if a.projects[d.Name] == nil {
			continue
		}
		external := uses(a.projects[d.Name]).External
		for _, name := range slices.Sorted(maps.Keys(external)) {
			switch creator, ok := creators[name]; {
			case !ok:
				a.warn(d, external[name], "%s %s is external, and no app of the pallet creates it", kind, name)
			case !a.Order.Before(creator, d.Name):
				a.warn(d, external[name], "%s %s is created by deployment %s, which may start later; require a resource of it",
					kind, name, creator)
			}
		}
	}
}

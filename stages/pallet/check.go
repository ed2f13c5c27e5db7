package pallet

import (
	"errors"
	"fmt"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// maxConflicts is the greatest number of conflicts in a Report.
const maxConflicts = 200

// Report is the result of Check: the conflicts, the missing and the met requirements between deployments.
type Report struct {
	Conflicts []resource.Conflict
	Missing   []resource.Missing
	Met       []resource.Edge
}

// Check finds resources of different deployments that conflict, and required resources that no deployment provides.
func (p *Pallet) Check() Report {
	var provided, required []resource.Resource
	for _, d := range p.enabled() {
		provided = append(provided, d.provided()...)
		required = append(required, d.required()...)
	}
	var r Report
	r.Conflicts = resource.Conflicts(provided, maxConflicts)
	r.Met, r.Missing = resource.Match(required, provided)
	return r
}

// Err returns nil if there are neither conflicts nor missing resources. Otherwise it joins all of them, one per line,
// and a summary that counts like Forklift: conflicting pairs of deployments, and deployments with missing resources.
func (r Report) Err() error {
	all := r.errors()
	if len(all) == 0 {
		return nil
	}
	return errors.Join(append(all, errors.New(r.summary()))...)
}

func (r Report) summary() string {
	pairs := map[[2]string]bool{}
	for _, c := range r.Conflicts {
		pairs[[2]string{c.First.Deployment, c.Second.Deployment}] = true
	}
	missing := map[string]bool{}
	for _, m := range r.Missing {
		missing[m.Required.Deployment] = true
	}
	return fmt.Sprintf("resource constraint checks failed (%d conflicts, %d missing dependencies)", len(pairs), len(missing))
}

func (r Report) errors() []error {
	var all []error
	for _, c := range r.Conflicts {
		all = append(all, errors.New(c.String()))
	}
	for _, m := range r.Missing {
		all = append(all, errors.New(m.String()))
	}
	return all
}

// Plan returns the order in which the Compose apps of the enabled deployments start, by the resources that they require of
// each other. The order may have a cycle, which Validate reports.
func (p *Pallet) Plan() resource.Order { return p.order(p.Check()) }

func (p *Pallet) order(r Report) resource.Order {
	var names []string
	for _, d := range p.enabled() {
		if len(d.ComposeFiles()) > 0 {
			names = append(names, d.Name)
		}
	}
	return resource.NewOrder(names, r.Met)
}

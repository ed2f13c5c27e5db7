package pallet

import (
	"errors"
	"fmt"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// maxConflicts is how many conflicts are told.
const maxConflicts = 200

// Report is what a check of a pallet found.
type Report struct {
	Conflicts []resource.Conflict
	Missing   []resource.Missing
	Met       []resource.Edge
}

// Check finds the resources of different deployments that conflict, and the requirements that nothing meets.
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

// Err is nil if nothing was found wrong. Else it is all that was, one a line, and a summary that counts as Forklift
// does: pairs of deployments that conflict, and deployments that miss something.
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

// Plan is the order in which the Compose apps of the pallet start: of each deployment that is one, those that it has
// to come after.
func (p *Pallet) Plan() resource.Order {
	var names []string
	for _, d := range p.enabled() {
		if len(d.ComposeFiles()) > 0 {
			names = append(names, d.Name)
		}
	}
	return resource.NewOrder(names, p.Check().Met)
}

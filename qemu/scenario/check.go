package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/yamldoc"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Failure is an expectation of a scenario that does not hold, with its place in the scenario file.
type Failure struct {
	Place   yamldoc.Place
	Message string
}

// String returns the failure as file:line:column: path: message.
func (f Failure) String() string { return f.Place.String() + ": " + f.Message }

const (
	commandLimit = 5 * time.Minute // default of a command
	queryLimit   = 2 * time.Minute // of a script that reads the state of the system
	checkPause   = 3 * time.Second // before expectations that failed are checked again
	dialLimit    = time.Minute     // of one connection
	openTime     = 5 * time.Second // for which a connection without a request stays open
)

// checker checks expectations against a machine. What can no longer be asked, since the machine has stopped, is an error.
type checker struct {
	ctx      context.Context
	machine  Device
	places   yamldoc.Places
	failures []Failure
	err      error
	state    *State
	mounts   map[string]mount
}

// check returns the failures of expectations, in the order of the document. It checks again until none fails or the
// document's time is over.
func (e *Expectations) check(ctx context.Context, m Device, places yamldoc.Places) ([]Failure, error) {
	deadline := m.Elapsed() + time.Duration(e.Within)
	for {
		c := &checker{ctx: ctx, machine: m, places: places}
		c.all(e)
		if c.err != nil || len(c.failures) == 0 || m.Elapsed() >= deadline {
			return c.sorted(), c.err
		}
		if err := m.Sleep(ctx, checkPause); err != nil {
			return c.sorted(), err
		}
	}
}

func (c *checker) sorted() []Failure {
	slices.SortStableFunc(c.failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column))
	})
	return c.failures
}

// all checks all kinds of expectations. The commands come last, since they may change the system.
func (c *checker) all(e *Expectations) {
	if e.Defects != nil || e.Report != nil || len(e.Phases) > 0 {
		c.inspect()
	}
	if e.Defects != nil && c.err == nil {
		c.list(&e.Defects, "defects", e.Defects, c.state.Defects)
	}
	c.report(e.Report)
	c.phases(&e.Phases)
	each(c, e.Units, c.unit)
	c.failed(e)
	each(c, e.Mounts, c.mount)
	each(c, e.Files, c.file)
	each(c, e.Ports, c.port)
	each(c, e.Containers, c.container)
	if e.Journal != nil {
		journal := c.run("journalctl --boot --output=short --no-pager", queryLimit)
		if journal.Code != 0 {
			c.fail(e.Journal, "journalctl: exit code %d: %s", journal.Code, tail(journal.Text))
		}
		c.log(e.Journal, "journal", journal.Text)
	}
	if e.Console != nil {
		c.log(e.Console, "console", c.machine.Console())
	}
	for _, command := range e.Commands {
		c.command(command)
	}
}

// each checks the entries of a mapping in the order of their names, until an error.
func each[T any](c *checker, all map[string]*T, check func(name string, one *T)) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if c.err == nil {
			check(name, all[name])
		}
	}
}

// fail adds a failure at the place of a value, which is a pointer, or of one of its fields.
func (c *checker) fail(at any, format string, args ...any) {
	if c.err == nil {
		c.failures = append(c.failures, Failure{c.places[at], fmt.Sprintf(format, args...)})
	}
}

// equal checks a value that is expected unless it is the zero value.
func equal[T comparable](c *checker, at *T, name string, got T) {
	var zero T
	if want := *at; want != zero && got != want {
		c.fail(at, "%s is %v, want %v", name, shown(got), shown(want))
	}
}

// shown quotes strings.
func shown(v any) any {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return v
}

// flag checks an optional boolean.
func (c *checker) flag(at **bool, name string, got bool) {
	if want := *at; want != nil && got != *want {
		c.fail(want, "%s is %t, want %t", name, got, *want)
	}
}

// pattern checks an optional pattern.
func (c *checker) pattern(at *Pattern, name, got string) {
	if !at.matches(got) {
		c.fail(at, "%s is %q, want a match of %q", name, got, at)
	}
}

// list checks that each item matches the pattern in its place.
func (c *checker) list(at *[]Pattern, name string, want []Pattern, got []string) {
	if len(got) != len(want) {
		c.fail(at, "%d %s, want %d: %s", len(got), name, len(want), strings.Join(got, "; "))
		return
	}
	for i := range want {
		c.pattern(&want[i], fmt.Sprintf("%s[%d]", name, i), got[i])
	}
}

// log checks the patterns of a log.
func (c *checker) log(l *Log, name, text string) {
	c.contents(l.Matches, l.Lacks, name, text)
}

// contents checks patterns that have to match a text, and those that must not.
func (c *checker) contents(matches, lacks []Pattern, name, text string) {
	for i := range matches {
		if !matches[i].matches(text) {
			c.fail(&matches[i], "%s has no match of %q: %s", name, matches[i], tail(text))
		}
	}
	for i := range lacks {
		if line := lineOf(text, lacks[i]); line != "" {
			c.fail(&lacks[i], "%s has a match of %q: %s", name, lacks[i], line)
		}
	}
}

// lineOf returns the line with the first match of a pattern, "" without a match.
func lineOf(text string, p Pattern) string {
	found := p.FindStringIndex(text)
	if found == nil {
		return ""
	}
	begin := strings.LastIndexByte(text[:found[0]], '\n') + 1
	line, _, _ := strings.Cut(text[begin:], "\n")
	return fmt.Sprintf("%q", line)
}

const tailBytes = 500

// tail returns the end of a text, for a message.
func tail(text string) string {
	if len(text) > tailBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-tailBytes:], "")
	}
	return fmt.Sprintf("%q", text)
}

// run executes a script. After an error it does nothing.
func (c *checker) run(script string, limit time.Duration) Output {
	if c.err != nil {
		return Output{}
	}
	out, err := c.machine.Run(c.ctx, script, limit)
	c.err = err
	return out
}

func (c *checker) inspect() {
	c.state, c.err = c.machine.Inspect(c.ctx)
	if c.err == nil && c.state == nil {
		c.err = errors.New("device returned no state of the system")
	}
}

func (c *checker) report(want *Report) {
	if want == nil || c.err != nil {
		return
	}
	got := c.state.Report
	if got == nil {
		c.fail(want, "pkinit has written no report: %s", c.state.NoReport)
		return
	}
	for _, n := range []struct {
		want *int
		name string
		got  int
	}{{want.Stage, "stage", got.Choice.Stage}, {want.Attempt, "attempt", got.Choice.Attempt}} {
		if n.want != nil && *n.want != n.got {
			c.fail(n.want, "%s is %d, want %d: %s", n.name, n.got, *n.want, got.Choice.Reason)
		}
	}
	c.pattern(&want.Reason, "reason", got.Choice.Reason)
	c.flag(&want.Degraded, "degraded", got.Degraded)
	c.flag(&want.Grown, "grown", got.Root.Grown != nil)
	if want.Problems != nil {
		c.list(&want.Problems, "problems", want.Problems, got.Problems)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Steps)) {
		i := slices.IndexFunc(got.Steps, func(s report.Step) bool { return s.Name == name })
		switch {
		case i < 0:
			c.fail(&want.Steps, "pkinit has no step %s", name)
		case string(got.Steps[i].State) != want.Steps[name]:
			c.fail(&want.Steps, "step %s is %s, want %s: %s%s", name, got.Steps[i].State, want.Steps[name], got.Steps[i].Error,
				got.Steps[i].Note)
		}
	}
}

func (c *checker) phases(want *map[string]Duration) {
	for _, name := range slices.Sorted(maps.Keys(*want)) {
		if c.err != nil {
			return
		}
		limit, got := time.Duration((*want)[name]), c.state.Phases[name]
		if got > limit.Seconds() {
			c.fail(want, "%s is reached after %.1f s, want %s", name, got, limit)
		}
	}
}

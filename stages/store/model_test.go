package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/stages"
)

// model is the specification of the store, as simple as possible.
type model struct {
	there    map[int]bool
	highest  int
	next     int
	bad      bool // next was found bad
	proven   []int
	attempts map[int]int // by stage, since it became next
	running  int
}

// boot returns the stage that the next boot selects.
func (m *model) boot() int {
	isProven := len(m.proven) > 0 && m.next == m.proven[len(m.proven)-1]
	switch {
	case m.there[m.next] && !m.bad && isProven:
		return m.next
	case m.there[m.next] && !m.bad && m.attempts[m.next] < 3:
		m.attempts[m.next]++
		return m.next
	}
	for _, n := range slices.Backward(m.proven) {
		if m.there[n] {
			return n
		}
	}
	return 0
}

func (m *model) setNext(n int) {
	m.next, m.bad = n, false
	delete(m.attempts, n)
}

func (m *model) judge(n int, result stages.Result) {
	if n == m.next {
		m.bad = result == stages.Failed
	}
	if result == stages.Failed {
		return
	}
	m.proven = append(without(m.proven, n), n)
	if len(m.proven) > 8 {
		m.proven = m.proven[1:]
	}
	delete(m.attempts, n)
}

func without(list []int, n int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(m int) bool { return m == n })
}

func (m *model) delete(n int) {
	delete(m.there, n)
	delete(m.attempts, n)
	m.proven = without(m.proven, n)
	if m.next == n {
		m.bad, m.next = false, 0
		if len(m.proven) > 0 {
			m.next = m.proven[len(m.proven)-1]
		}
	}
}

// prune keeps stage 1, which has a name.
func (m *model) prune() {
	for n := range m.there {
		if n != 1 && n != m.next && n != m.running && !slices.Contains(m.proven, n) {
			m.delete(n)
		}
	}
}

// life runs the same events on a device and on the model.
type life struct {
	world *world
	model model
	at    *state
}

// born returns a device after the first boot: one stage, proven, named factory-reset.
func born(w *world) (*life, error) {
	l := &life{w, model{map[int]bool{1: true}, 1, 1, false, []int{1}, map[int]int{}, 0}, w.flashed}
	return l, l.reboot()
}

// do runs an action on the device and compares it with the model.
func (l *life) do(a action) error {
	o := l.world.after(l.at, a)
	if o.err != nil {
		return fmt.Errorf("%v: %w", a, o.err)
	}
	l.at = o.to
	s := l.at.staged
	switch {
	case !slices.Equal(l.at.bundles, slices.Sorted(maps.Keys(l.model.there))):
		return fmt.Errorf("%v: there are %v, want %v", a, l.at.bundles, l.model.there)
	case s.Next != l.model.next, s.NextFailed != l.model.bad:
		return fmt.Errorf("%v: next is %d (bad: %t), want %d (%t)", a, s.Next, s.NextFailed, l.model.next, l.model.bad)
	case !slices.Equal(s.History, l.model.proven):
		return fmt.Errorf("%v: the history is %v, want %v", a, s.History, l.model.proven)
	case a.what == "boot" && o.choice.Stage != l.model.running:
		return fmt.Errorf("starts with %d (%s; %s), want %d", o.choice.Stage, o.choice.Reason, o.choice.Problem, l.model.running)
	}
	return nil
}

func (l *life) reboot() error {
	l.model.running = l.model.boot()
	return l.do(action{"boot", 0})
}

// stage does what `pkctl pallet switch` does. A number that anything still refers to is not used again.
func (l *life) stage() error {
	n := l.world.after(l.at, action{"stage", 0}).stage
	if l.model.there[n] || slices.Contains(l.model.proven, n) {
		return fmt.Errorf("%d is the number of a stage already", n)
	}
	l.model.there[n] = true
	l.model.setNext(n)
	return l.do(action{"stage", 0})
}

// verdict records a verdict on the running stage, as `pkctl stage apply` does.
func (l *life) verdict(result stages.Result) error {
	n := l.model.running
	if n == 0 || !l.model.there[n] {
		return nil
	}
	l.model.judge(n, result)
	return l.do(action{string(result), n})
}

// fail is a bad verdict, after which the device falls back at once.
func (l *life) fail() error {
	if err := l.verdict(stages.Failed); err != nil {
		return err
	}
	return l.reboot()
}

// hang reboots several times without a verdict, as the watchdog does.
func (l *life) hang(times int) error {
	for range times {
		if err := l.reboot(); err != nil {
			return err
		}
	}
	return nil
}

// setNext fails for a stage that does not exist, and then changes nothing.
func (l *life) setNext(n int) error {
	if !l.model.there[n] {
		if o := l.world.after(l.at, action{"set next", n}); o.err == nil || o.to != l.at {
			return fmt.Errorf("stage %d is not there and becomes the next one", n)
		}
		return nil
	}
	l.model.setNext(n)
	return l.do(action{"set next", n})
}

// reset makes the factory-reset stage next, whatever its verdicts were.
func (l *life) reset() error {
	n, err := l.at.staged.Resolve("factory-reset")
	if err != nil || n != 1 {
		return fmt.Errorf("the factory's stage is %d (%w), want 1", n, err)
	}
	if err := l.setNext(n); err != nil {
		return err
	}
	if err := l.reboot(); err != nil || l.model.running == 1 {
		return err
	}
	return fmt.Errorf("after the reset stage %d runs", l.model.running)
}

func (l *life) rollback() error {
	n, err := l.at.staged.Resolve("rollback")
	if len(l.model.proven) < 2 {
		if err == nil {
			return fmt.Errorf("rollback leads to %d, want none", n)
		}
		return nil
	}
	if want := l.model.proven[len(l.model.proven)-2]; err != nil || n != want {
		return fmt.Errorf("rollback leads to %d (%w), want %d", n, err, want)
	}
	return l.setNext(n)
}

// delete deletes any stage but the running one and factory-reset: more than `pkctl stage rm`, which keeps bootable stages.
func (l *life) delete(n int) error {
	if n == 1 || !l.model.there[n] || n == l.model.running {
		return nil
	}
	l.model.delete(n)
	return l.do(action{"delete", n})
}

func (l *life) prune() error {
	l.model.prune()
	return l.do(action{"prune", l.model.running})
}

// events are what can happen to a device, each as often as it is listed.
var events = []struct {
	name string
	do   func(l *life, r *rand.Rand) error
}{
	{"stage", func(l *life, _ *rand.Rand) error { return l.stage() }},
	{"stage", func(l *life, _ *rand.Rand) error { return l.stage() }},
	{"apply", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Good) }},
	{"apply", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Good) }},
	{"reboot", func(l *life, _ *rand.Rand) error { return l.reboot() }},
	{"reboot", func(l *life, _ *rand.Rand) error { return l.reboot() }},
	{"fail", func(l *life, _ *rand.Rand) error { return l.fail() }},
	{"bad, no reboot", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Failed) }},
	{"hang", func(l *life, r *rand.Rand) error { return l.hang(1 + r.IntN(stages.MaxAttempts)) }},
	{"prune", func(l *life, _ *rand.Rand) error { return l.prune() }},
	{"reset", func(l *life, _ *rand.Rand) error { return l.reset() }},
	{"rollback", func(l *life, _ *rand.Rand) error { return l.rollback() }},
	{"delete", func(l *life, r *rand.Rand) error { return l.delete(2 + r.IntN(6)) }},
	{"set next", func(l *life, r *rand.Rand) error { return l.setNext(1 + r.IntN(6)) }},
}

// upgrades is how many of the first events make an upgrade.
const upgrades = 6

// sequence runs the random sequence of events of a seed. One in a hundred is long and mostly upgrades, so that the
// history overflows.
func sequence(w *world, seed uint64) (steps int, err error) {
	r := rand.New(rand.NewPCG(seed, 0))
	length, long := 20, seed%100 == 0
	if long {
		length = 120
	}
	l, err := born(w)
	if err != nil {
		return 0, fmt.Errorf("seed %d: %w", seed, err)
	}
	var names []string
	for range 1 + r.IntN(length) {
		e := events[r.IntN(len(events))]
		if long && r.IntN(8) > 0 {
			e = events[r.IntN(upgrades)]
		}
		names = append(names, e.name)
		if err := e.do(l, r); err != nil {
			return 0, fmt.Errorf("seed %d: %q: %w", seed, names, err)
		}
	}
	return len(names), nil
}

// TestModel compares the store with the model over random sequences, PKBUILD_TEST_SEQUENCES of them.
func TestModel(t *testing.T) {
	sequences := 2000
	if n, err := strconv.Atoi(os.Getenv("PKBUILD_TEST_SEQUENCES")); err == nil {
		sequences = n
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // nearly all allocations stay in use
	w, err := newWorld()
	require.NoError(t, err)
	var group errgroup.Group
	var total atomic.Int64
	workers := runtime.GOMAXPROCS(0)
	for first := range workers {
		group.Go(func() error {
			for seed := first; seed < sequences; seed += workers {
				steps, err := sequence(w, uint64(seed))
				if err != nil {
					return err
				}
				total.Add(int64(steps))
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	t.Logf("%d sequences, %d events; %d commands and boots differ", sequences, total.Load(), w.done)
}

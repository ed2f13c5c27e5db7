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

// model is the specification of the store and of the choice of a boot, as simple as possible.
type model struct {
	there    map[int]bool
	next     int
	none     bool // none was chosen as the next stage
	bad      bool // next was found bad
	proven   []int
	attempts map[int]int  // boots without a verdict, by stage
	judged   map[int]bool // stages with a verdict, or with an attempt at one
	unusable map[int]bool // could not be mounted
	damaged  map[int]bool // differ from their digests
	running  int
	rung     stages.Rung
}

// boot returns what the next boot starts with. Damaged stages come last.
func (m *model) boot() (int, stages.Rung) {
	if m.next == 0 && m.none {
		return 0, stages.AllOverrides
	}
	usable := func(n int) bool { return m.there[n] && !m.unusable[n] }
	sound := func(n int) bool { return usable(n) && !m.damaged[n] }
	if n, rung := m.bootFrom(sound); n != 0 {
		return n, rung
	}
	return m.bootFrom(usable)
}

func (m *model) bootFrom(ok func(int) bool) (int, stages.Rung) {
	isProven := len(m.proven) > 0 && m.next == m.proven[len(m.proven)-1]
	if ok(m.next) && !m.bad && !isProven && m.attempts[m.next] < 3 {
		m.attempts[m.next]++
		m.judged[m.next] = true // its boots are counted from now on
		return m.next, stages.AllOverrides
	}
	if ok(m.next) && !m.bad && isProven {
		return m.climb(m.next, ok)
	}
	for _, n := range slices.Backward(m.proven) {
		if ok(n) {
			return m.climb(n, ok)
		}
	}
	return 0, stages.AllOverrides
}

// climb returns what a boot of a proven stage starts with after boots without a verdict.
func (m *model) climb(n int, ok func(int) bool) (int, stages.Rung) {
	if !m.judged[n] {
		return n, stages.AllOverrides
	}
	boots := m.attempts[n]
	m.attempts[n]++
	factory := n
	if m.there[1] && ok(1) {
		factory = 1
	}
	switch {
	case boots < 3:
		return n, stages.AllOverrides
	case boots < 5:
		return n, stages.GoodOverrides
	case boots < 7:
		return n, stages.NoOverrides
	case boots < 9:
		for _, other := range slices.Backward(m.proven) {
			if other != n && ok(other) {
				return other, stages.RollbackStage
			}
		}
		return factory, stages.RollbackStage
	}
	return factory, stages.FactoryStage
}

// forget drops what is recorded of a stage.
func (m *model) forget(n int) {
	for _, record := range []map[int]bool{m.judged, m.unusable, m.damaged} {
		delete(record, n)
	}
	delete(m.attempts, n)
}

func (m *model) setNext(n int) {
	m.next, m.bad = n, false
	if n == 0 {
		m.none = true
		return
	}
	m.forget(n)
}

func (m *model) judge(n int, result stages.Result) {
	if m.next != 0 {
		m.none = false
	}
	if n == m.next {
		m.bad = result == stages.Failed
	}
	m.judged[n] = true
	delete(m.attempts, n)
	if result == stages.Failed {
		return
	}
	m.proven = append(without(m.proven, n), n)
	if len(m.proven) > 8 {
		m.proven = m.proven[1:]
	}
}

func without(list []int, n int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(m int) bool { return m == n })
}

func (m *model) delete(n int) {
	delete(m.there, n)
	m.forget(n)
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
	l := &life{w, model{there: map[int]bool{1: true}, next: 1, proven: []int{1}, attempts: map[int]int{},
		judged: map[int]bool{1: true}, unusable: map[int]bool{}, damaged: map[int]bool{}}, w.flashed}
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
	case a.isBoot() && (o.choice.Stage != l.model.running || o.choice.Rung != l.model.rung):
		return fmt.Errorf("starts with %d %v (%s; %s), want %d %v", o.choice.Stage, o.choice.Rung, o.choice.Reason, o.choice.Problem,
			l.model.running, l.model.rung)
	}
	return nil
}

func (l *life) reboot() error {
	l.model.running, l.model.rung = l.model.boot()
	return l.do(action{"boot", 0})
}

// unmountable reboots while a stage cannot be mounted: pkinit tries the next candidate in the same boot, and marks the stage.
func (l *life) unmountable(n int) error {
	l.model.running, l.model.rung = l.model.boot()
	for l.model.running == n && n != 0 {
		l.model.unusable[n] = true
		l.model.running, l.model.rung = l.model.boot()
	}
	return l.do(action{"boot without", n})
}

// damage marks a stage as damaged, or as sound again, as pkctl stage scrub does.
func (l *life) damage(n int, what string) error {
	if !l.model.there[n] {
		return nil
	}
	delete(l.model.damaged, n)
	if what == "damaged" {
		l.model.damaged[n] = true
	}
	return l.do(action{what, n})
}

// setNone has the device start without a stage.
func (l *life) setNone() error {
	l.model.setNext(0)
	return l.do(action{"set next", 0})
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
	{"hang for long", func(l *life, r *rand.Rand) error { return l.hang(1 + r.IntN(11)) }},
	{"unmountable", func(l *life, r *rand.Rand) error { return l.unmountable(1 + r.IntN(6)) }},
	{"damaged", func(l *life, r *rand.Rand) error { return l.damage(1+r.IntN(6), "damaged") }},
	{"sound", func(l *life, r *rand.Rand) error { return l.damage(1+r.IntN(6), "sound") }},
	{"set next none", func(l *life, _ *rand.Rand) error { return l.setNone() }},
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

package store_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// model is what the rules say, in as few words as they can be said.
type model struct {
	there    map[int]bool
	next     int
	bad      bool // next was found bad
	proven   []int
	attempts map[int]int // at stages since they were made next
	running  int
}

// boot is the stage that a boot starts with.
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

func (m *model) good(n int) {
	if n == m.next {
		m.bad = false
	}
	m.proven = append(slices.DeleteFunc(m.proven, func(p int) bool { return p == n }), n)
	if len(m.proven) > 8 {
		m.proven = m.proven[1:]
	}
	delete(m.attempts, n)
}

func (m *model) delete(n int) {
	delete(m.there, n)
	delete(m.attempts, n)
	m.proven = slices.DeleteFunc(m.proven, func(p int) bool { return p == n })
	if m.next == n {
		m.bad, m.next = false, 0
		if len(m.proven) > 0 {
			m.next = m.proven[len(m.proven)-1]
		}
	}
}

// prune keeps the first stage, which has a name.
func (m *model) prune() {
	for n := range m.there {
		if n != 1 && n != m.next && n != m.running && !slices.Contains(m.proven, n) {
			m.delete(n)
		}
	}
}

// life is a device in the test, beside the model of it.
type life struct {
	sys   *memory
	store *store.Store
	model model
}

// born is a device as it is flashed: one stage, proven, the factory's.
func born() (*life, error) {
	l := &life{
		sys:   newMemory(newDisk()),
		model: model{there: map[int]bool{}, attempts: map[int]int{}},
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	if err := l.stage(); err != nil {
		return nil, err
	}
	l.model.good(1)
	return l, first(l.store.Judge(1, stages.Good, at), l.store.Name("factory-reset", 1), l.reboot())
}

func first(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

func (l *life) open() (err error) {
	l.store, err = store.Open(context.Background(), l.sys)
	return err
}

// reboot chooses as pkinit does, and counts the attempt.
func (l *life) reboot() error {
	l.model.running = l.model.boot()
	snapshot, err := stages.Load(l.sys.files())
	if err != nil {
		return err
	}
	choice := stages.Select(snapshot)
	if choice.Stage != l.model.running {
		return fmt.Errorf("starts with %d (%s; %s), want %d", choice.Stage, choice.Reason, choice.Problem, l.model.running)
	}
	if choice.Attempt > 0 {
		if err := l.write(snapshot.State.Attempted(choice.Stage, at)); err != nil {
			return err
		}
	}
	return l.open()
}

func (l *life) write(state stages.BootState) error {
	data, err := state.Marshal()
	if err != nil {
		return err
	}
	_ = l.sys.Remove(stages.StateFile)
	f, err := l.sys.Create(stages.StateFile, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return err
}

func (l *life) stage() error {
	n, err := l.store.Add(context.Background(), []byte(manifest), func(w *store.Writer) error {
		return w.File("x", 0o644, bytes.NewReader(nil))
	})
	if err != nil {
		return err
	}
	l.model.there[n] = true
	l.model.setNext(n)
	return l.store.SetNext(n)
}

// verdict judges what runs, as the device does after every boot with a stage.
func (l *life) verdict(result stages.Result) error {
	n := l.model.running
	if n == 0 || !l.model.there[n] {
		return nil
	}
	if result == stages.Good {
		l.model.good(n)
	} else if n == l.model.next {
		l.model.bad = true
	}
	return l.store.Judge(n, result, at)
}

func (l *life) setNext(n int) error {
	if !l.model.there[n] {
		return nil
	}
	l.model.setNext(n)
	return l.store.SetNext(n)
}

func (l *life) rollback() error {
	n, err := l.store.Staged().Resolve("rollback")
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

func (l *life) delete(n int) error {
	if !l.model.there[n] || n == l.model.running {
		return nil
	}
	l.model.delete(n)
	return l.store.Delete(n)
}

func (l *life) prune() error {
	l.model.prune()
	_, err := l.store.Prune(l.model.running)
	return err
}

// events are what can happen to a device, each as often as it is listed.
var events = []struct {
	name string
	do   func(l *life, r *rand.Rand) error
}{
	{"stage", func(l *life, _ *rand.Rand) error { return l.stage() }},
	{"stage", func(l *life, _ *rand.Rand) error { return l.stage() }},
	{"good", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Good) }},
	{"good", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Good) }},
	{"bad", func(l *life, _ *rand.Rand) error { return l.verdict(stages.Failed) }},
	{"bad, reboot", func(l *life, _ *rand.Rand) error { return first(l.verdict(stages.Failed), l.reboot()) }},
	{"reboot", func(l *life, _ *rand.Rand) error { return l.reboot() }},
	{"reboot", func(l *life, _ *rand.Rand) error { return l.reboot() }},
	{"hang", func(l *life, _ *rand.Rand) error { return first(l.reboot(), l.reboot()) }},
	{"prune", func(l *life, _ *rand.Rand) error { return l.prune() }},
	{"reset", func(l *life, _ *rand.Rand) error { return l.setNext(1) }},
	{"rollback", func(l *life, _ *rand.Rand) error { return l.rollback() }},
	{"delete", func(l *life, r *rand.Rand) error { return l.delete(2 + r.IntN(6)) }},
	{"set next", func(l *life, r *rand.Rand) error { return l.setNext(1 + r.IntN(6)) }},
}

// agree compares the device with the model.
func (l *life) agree() error {
	all, err := l.store.Bundles()
	if err != nil {
		return err
	}
	s := l.store.Staged()
	switch {
	case len(all) != len(l.model.there):
		return fmt.Errorf("there are %v, want %v", all, l.model.there)
	case s.Next != l.model.next, s.NextFailed != l.model.bad:
		return fmt.Errorf("next is %d (bad: %t), want %d (%t)", s.Next, s.NextFailed, l.model.next, l.model.bad)
	case !slices.Equal(s.History, l.model.proven):
		return fmt.Errorf("the history is %v, want %v", s.History, l.model.proven)
	}
	return nil
}

// sequence lives through a random sequence of events, which a seed determines.
func sequence(seed uint64) (steps int, err error) {
	r := rand.New(rand.NewPCG(seed, 0))
	l, err := born()
	if err != nil {
		return 0, fmt.Errorf("seed %d: %w", seed, err)
	}
	var names []string
	for range 1 + r.IntN(20) {
		e := events[r.IntN(len(events))]
		names = append(names, e.name)
		if err := first(e.do(l, r), l.agree()); err != nil {
			return 0, fmt.Errorf("seed %d: %q: %w", seed, names, err)
		}
		l.sys.settle()
	}
	return len(names), nil
}

// TestModel compares the store with the model over random sequences, PKBUILD_TEST_SEQUENCES of them.
func TestModel(t *testing.T) {
	sequences := 2000
	if n, err := strconv.Atoi(os.Getenv("PKBUILD_TEST_SEQUENCES")); err == nil {
		sequences = n
	}
	var group errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	totals := make([]int, workers)
	for w := range workers {
		group.Go(func() error {
			for seed := w; seed < sequences; seed += workers {
				steps, err := sequence(uint64(seed))
				if err != nil {
					return err
				}
				totals[w] += steps
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	total := 0
	for _, n := range totals {
		total += n
	}
	t.Logf("%d sequences, %d events", sequences, total)
}

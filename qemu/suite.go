package qemu

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"sync"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// Suite runs a set of scenarios with a disk image, several at a time.
type Suite struct {
	Image    string // disk image, which is not changed
	Dir      string // directory for the files of devices; those of scenarios that fail stay
	Machine  string // in place of the scenarios' own; "" keeps them
	Jobs     int    // how many scenarios run at a time; 0 is 1
	Console  io.Writer
	Progress func(s *scenario.Scenario, step string) // receives each step before it begins; may be nil
	Done     func(*scenario.Result)                  // receives each result; may be nil
}

// Run runs scenarios, up to u.Jobs at a time, and returns their results in the same order. The result is nil for scenarios
// that had not begun when ctx ended.
func (u Suite) Run(ctx context.Context, scenarios []*scenario.Scenario) []*scenario.Result {
	results := make([]*scenario.Result, len(scenarios))
	next := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex // orders the callbacks
	for range max(1, u.Jobs) {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() == nil {
					results[i] = u.one(ctx, scenarios[i], &mu)
				}
			}
		})
	}
	for i := range scenarios {
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}

func (u Suite) one(ctx context.Context, s *scenario.Scenario, mu *sync.Mutex) *scenario.Result {
	s = s.On(u.Machine)
	r := s.Run(ctx, u.devices(s), true, func(step string) {
		mu.Lock()
		defer mu.Unlock()
		if u.Progress != nil {
			u.Progress(s, step)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if u.Done != nil {
		u.Done(r)
	}
	return r
}

// devices returns the function that makes the devices of a scenario, on a private network if there are several.
func (u Suite) devices(s *scenario.Scenario) scenario.NewDevice {
	var network *LAN
	members := 0
	return func(name string) (scenario.Device, error) {
		if network == nil && len(s.Peers) > 0 {
			var err error
			if network, err = NewLAN(); err != nil {
				return nil, err
			}
		}
		members++
		o := DeviceOptions{
			Image: u.Image, Machine: s.Machine, Card: int64(s.Card), Console: u.Console, LAN: network, Member: members,
			Dir: filepath.Join(u.Dir, cmp.Or(s.Name, "scenario")+"."+cmp.Or(name, "device")),
		}
		if o.Machine == scenario.ContainerMachine {
			return NewContainer(o)
		}
		return NewDevice(o)
	}
}

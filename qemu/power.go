package qemu

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

// Ended waits until the machine stops by itself, and returns the reason: "reboot", "power-off", "panic" or "watchdog". It
// fails if the machine still runs after limit, as Elapsed counts it.
func (d *Device) Ended(ctx context.Context, limit time.Duration) (string, error) {
	if d.vm == nil {
		return "", errOff
	}
	limited, cancel := d.limit(ctx, limit, "end of the boot")
	defer cancel()
	select {
	case <-d.vm.ended:
	case <-limited.Done():
		if cause := context.Cause(limited); cause != errEnded {
			return "", cause
		}
		<-d.vm.ended
	}
	reason, err := d.vm.qmp.reason(d.Console())
	if d.vm.halted.Load() {
		reason, err = "power-off", nil
	}
	return reason, errors.Join(err, d.off())
}

// PowerOff shuts the guest down and waits until the machine is off. It fails if the machine still runs after limit, or has
// stopped for another reason.
func (d *Device) PowerOff(ctx context.Context, limit time.Duration) error {
	if d.vm == nil {
		return errOff
	}
	if _, err := d.Run(ctx, "systemctl --no-block poweroff", time.Minute); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	reason, err := d.Ended(ctx, limit)
	if err == nil && reason != "power-off" {
		err = fmt.Errorf("the machine stopped by %s, want power-off", reason)
	}
	return err
}

// Cut kills the machine like a power cut. If lost is set, each write since the card's last flush is kept, lost or torn at
// random, by the seed; otherwise all are kept.
func (d *Device) Cut(_ context.Context, lost bool, seed int) error {
	if d.vm == nil {
		return errOff
	}
	err := d.vm.cmd.Process.Signal(syscall.SIGKILL)
	<-d.vm.ended
	if lost {
		err = errors.Join(err, d.loseWrites(seed))
	}
	return errors.Join(err, d.off())
}

// loseWrites replays the boot's writes on the card as it was before, without some of those since the last flush.
func (d *Device) loseWrites(seed int) error {
	log, err := os.Open(filepath.Join(d.vm.cmd.Dir, LogFile))
	if err != nil {
		return err
	}
	defer log.Close()
	card, err := os.OpenFile(d.card, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	stats, err := writelog.Cut(card, log, rand.New(rand.NewPCG(uint64(seed), 1)))
	fmt.Fprintf(d.o.Console, "\npower cut: %d writes since the last flush lost, %d torn, %d kept\n", stats.Lost, stats.Torn, stats.Kept)
	err = errors.Join(err, card.Close(), os.Remove(d.disk))
	d.disk = d.card
	return err
}

// off takes the card out of a machine that has ended.
func (d *Device) off() error {
	d.console, d.stderr = d.vm.console.all(), strings.TrimSpace(d.vm.stderr.String())
	d.vm.fail(errEnded)
	_ = d.vm.stdin.Close()
	d.vm = nil
	clear(d.sticks)
	if d.disk == d.card {
		return nil
	}
	var err error
	if d.o.Record {
		err = os.Rename(d.card, filepath.Join(filepath.Dir(d.disk), BeforeFile))
	}
	return errors.Join(err, os.Rename(d.disk, d.card))
}

package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/shell"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

// Device is an emulated Raspberry Pi with its SD card, which implements scenario.Device. Each boot is a new QEMU
// process, since the firmware reads the card anew.
type Device struct {
	o    DeviceOptions
	m    Machine
	dir  string
	card string

	boots   int
	vm      *VM
	result  *Result
	ssh     *net.TCPAddr
	ports   map[int]int // host's ports by the guest's
	console string      // of the last boot
	stderr  string      // of the last QEMU
	sticks  map[string]string
	disk    string // what the machine writes to: the card, or a copy of it while writes are logged

	mu    sync.Mutex
	fatal error // line of the console after which the guest does not go on
}

// DeviceOptions are the disk image, machine, card size, directory and network of a new Device or Container.
type DeviceOptions struct {
	Image   string // disk image, which is copied
	Machine string // name in Machines; "" is the first
	Card    int64  // bytes; the image's size if that is larger
	Dir     string // directory for the device's files, which Close removes
	Console io.Writer
	LAN     *LAN // private network; nil: none
	Member  int  // number of the device in it
	Record  bool // keep the log of all writes of each boot, and the card as it was before
}

// LAN is a virtual network that connects several emulated devices.
type LAN struct {
	port   int      // of the multicast group of virtual machines
	bridge *os.File // network namespace with the bridge of containers; nil before the first one
}

// NewLAN returns a virtual network on a multicast address that no other network on this host uses.
func NewLAN() (*LAN, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	return &LAN{port: addr.Port}, nil
}

// NewDevice copies a disk image to a new virtual SD card and returns a machine with this card, switched off. It fails if the
// machine's name is unknown or QEMU cannot boot an image on that machine.
func NewDevice(o DeviceOptions) (*Device, error) {
	m, err := machine(o.Machine)
	if err != nil {
		return nil, err
	}
	if o.Console == nil {
		o.Console = io.Discard
	}
	d := &Device{o: o, m: m, ports: map[int]int{}, sticks: map[string]string{}}
	if d.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	d.card = filepath.Join(d.dir, CardFile)
	info, err := os.Stat(o.Image)
	if err != nil {
		return nil, err
	}
	size := max(o.Card, info.Size())
	if m.Card {
		size = cardSize(size)
	}
	return d, errors.Join(os.MkdirAll(d.dir, 0o777), copyCard(o.Image, d.card, size))
}

// Start switches the machine on, and does not wait for the boot. The machine must be off.
func (d *Device) Start(ctx context.Context, start scenario.Start) error {
	d.boots++
	start.WriteLog = start.WriteLog || d.o.Record
	d.setFatal(nil)
	dir := filepath.Join(d.dir, fmt.Sprintf("boot-%d", d.boots))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	o := Options{Persist: true, Offline: start.Offline, Console: d.o.Console, Timeout: forever, card: true, start: start}
	o = o.withDefaults()
	o.fatal = d.setFatal
	if d.o.LAN != nil {
		o.lan = &lan{port: d.o.LAN.port, member: d.o.Member}
	}
	for _, guest := range start.Ports {
		host, err := freePort()
		if err != nil {
			return err
		}
		d.ports[guest] = host.Port
		o.Forwards = append(o.Forwards, Forward{Host: host.Port, Guest: guest})
	}
	d.disk = d.card
	if start.WriteLog {
		d.disk = filepath.Join(dir, "running.img")
		err := errors.Join(writelog.Create(filepath.Join(dir, LogFile)), copyCard(d.card, d.disk, 0))
		if err != nil {
			return err
		}
	}
	r, v, err := prepare(d.disk, dir, d.m, o)
	if err != nil {
		return err
	}
	vm, err := run(ctx, d.m, r.Command, dir, o)
	if err != nil {
		return err
	}
	d.vm, d.result, d.ssh = vm, r, v.ssh
	if err := vm.connect(); err != nil {
		vm.fail(err)
		return errors.Join(vm.wait(err), d.off())
	}
	return nil
}

// inspectTime is the limit of reading the state of a booted system.
const inspectTime = 20 * time.Minute

// forever is the limit of a device's boot: each operation has its own.
const forever = 1000 * time.Hour

func (d *Device) setFatal(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fatal == nil || err == nil {
		d.fatal = err
	}
}

func (d *Device) fatalLine() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fatal
}

// errOff is the error of an operation on a device that is off.
var errOff = errors.New("emulated device is switched off")

// limit returns a context of the running machine that ends when the machine could run for a time.
func (d *Device) limit(ctx context.Context, limit time.Duration, what string) (context.Context, context.CancelFunc) {
	vm := d.vm
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(vm.ctx, func() { cancel(context.Cause(vm.ctx)) })
	deadline := vm.watch.elapsed() + limit
	go func() {
		for vm.watch.elapsed() < deadline {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(time.Second, limit/4)):
			}
		}
		cancel(fmt.Errorf("%s: not done after %s", what, limit))
	}()
	return ctx, func() { stop(); cancel(nil) }
}

// Ready waits until the guest can run commands. It fails after limit, if the machine stops, or if the console shows that the
// guest does not go on.
func (d *Device) Ready(ctx context.Context, limit time.Duration) error {
	if d.vm == nil {
		return errOff
	}
	ctx, cancel := d.limit(ctx, limit, "boot")
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.vm.agent.start(ctx) }()
	for {
		select {
		case err := <-done:
			d.vm.isReady.Store(err == nil)
			return err
		case <-time.After(200 * time.Millisecond):
			if err := d.fatalLine(); err != nil {
				return err
			}
		}
	}
}

// Run executes a shell script in the guest as root and returns its exit code and output. It fails if the script takes longer
// than limit, as Elapsed counts it. The guest itself ends the script after ten times the limit by its own clock, which also
// runs while the host is busy.
func (d *Device) Run(ctx context.Context, script string, limit time.Duration) (Output, error) {
	if d.vm == nil {
		return Output{}, errOff
	}
	ctx, cancel := d.limit(ctx, limit, "command")
	defer cancel()
	return d.vm.agent.run(ctx, script, 10*limit)
}

// Inspect waits until systemd has started everything, at most until about 10 minutes after the start, and returns the
// system's defects, boot report and times. A system that has not started by then has a defect; the error is for one that
// does not answer.
func (d *Device) Inspect(context.Context) (*scenario.State, error) {
	if d.vm == nil {
		return nil, errOff
	}
	r := *d.result
	if err := inspect(d.vm.ctx, d.vm, &r, dialTCP(d.ssh), Options{Timeout: inspectTime}); err != nil {
		return nil, err
	}
	return &scenario.State{
		Defects: Judge(&r), Report: r.Report, NoReport: r.NoReport,
		Phases: map[string]float64{"handoff": r.Seconds.Handoff, "agent": r.Seconds.Agent, "started": r.Seconds.Settled},
	}, nil
}

// Dial connects to a TCP port of the guest. It fails if the machine is off, or was started without this port in Start.Ports.
func (d *Device) Dial(ctx context.Context, port int) (net.Conn, error) {
	host, ok := d.ports[port]
	if !ok || d.vm == nil {
		return nil, errOff
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", host))
}

// Console returns the output of the serial port since the machine was last switched on; it stays after the machine is off.
func (d *Device) Console() string {
	if d.vm == nil {
		return d.console
	}
	return d.vm.console.all()
}

// Elapsed returns how long the machine has run, without the time in which the host gave it no processor; 0 while it is off.
func (d *Device) Elapsed() time.Duration {
	if d.vm == nil {
		return 0
	}
	return d.vm.watch.elapsed()
}

// Sleep waits until the machine has run for the duration t, as Elapsed counts it. It returns an error early if the machine
// stops.
func (d *Device) Sleep(ctx context.Context, t time.Duration) error {
	if d.vm == nil {
		return errOff
	}
	for until := d.vm.watch.elapsed() + t; ; {
		rest := until - d.vm.watch.elapsed()
		if rest <= 0 {
			return nil
		}
		select {
		case <-d.vm.ctx.Done():
			return context.Cause(d.vm.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(rest, time.Second)):
		}
	}
}

// Logged returns the number of the last boot, from 1 (0 before the first), and the number of entries in its log of disk
// writes so far. While the machine is off, entries is 0. It fails if the boot's writes are not logged.
func (d *Device) Logged() (boot, entries int, err error) {
	if d.boots == 0 || d.vm == nil {
		return d.boots, 0, nil
	}
	log, err := os.Open(filepath.Join(d.vm.cmd.Dir, LogFile))
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	all, err := writelog.Read(log)
	return d.boots, len(all), err
}

// Card returns the means to change the card's files while the device is off.
func (d *Device) Card() scenario.Card { return cardEditor{d.card} }

// Describe returns what helps to find out why a scenario failed: QEMU's command line, its errors, and the end of the
// console. It returns "" before the first start.
func (d *Device) Describe() string {
	if d.result == nil {
		return ""
	}
	console := strings.Split(strings.TrimSpace(d.Console()), "\n")
	console = console[max(0, len(console)-tailLines):]
	text := fmt.Sprintf("command: cd %s && %s\n", d.result.Dir, shell.Join(d.result.Command))
	return text + fmt.Sprintf("stderr: %s\nfiles: %s\nconsole:\n%s", d.stderr, d.dir, strings.Join(console, "\n"))
}

// Close ends the machine and removes the device's files unless keep is set.
func (d *Device) Close(keep bool) error {
	if d.vm != nil {
		d.vm.fail(errEnded)
		<-d.vm.ended
		if err := d.off(); err != nil {
			return err
		}
	}
	if keep {
		return nil
	}
	return os.RemoveAll(d.dir)
}

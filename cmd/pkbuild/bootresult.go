package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// printBoot prints a result as text.
func printBoot(w io.Writer, r *qemu.Result, wrong []string) error {
	p := &printer{w: w}
	p.state(r)
	for _, s := range wrong {
		p.line("defect: %s", s)
	}
	if len(wrong) == 0 {
		p.line("no defects")
	}
	return p.err
}

// state prints what is known of a system, also of one that has not answered every question.
func (p *printer) state(r *qemu.Result) {
	p.line("machine %s%s, firmware of %s: kernel %s, initramfs %s", r.Machine, accelerated(r), r.Firmware.Board, r.Firmware.Kernel, strings.Join(r.Firmware.Initramfs, " "))
	if r.Foreign {
		p.line("the image was not built by pkbuild: stages and overlays were not checked")
	}
	if b := r.Report; b != nil {
		p.line("stage %d: %s", b.Choice.Stage, b.Choice.Reason)
		for _, s := range b.Steps {
			p.line("  %-8s %6.3f s  %s%s", s.State, s.Seconds, s.Name, stepNote(s))
		}
	}
	for _, o := range r.Overlays {
		p.line("overlay %s: %s", o.Target, strings.Join(append([]string{o.Upperdir}, o.Lowerdirs...), " over "))
	}
	for _, u := range r.Units {
		p.line("service %s: %s (%s)", u.ID, u.Active, u.Sub)
	}
	if r.System != "" {
		p.line("system %s, %d units failed, %d reloads, %s", r.System, len(r.Failed), r.Reloads, r.SSH)
		p.line("systemd started %.1f s after the kernel, the system was up after %.1f s", r.Seconds.Handoff, r.Seconds.Settled)
	}
	p.line("console log: %s", r.Console)
}

func accelerated(r *qemu.Result) string {
	if r.Accelerated {
		return " on KVM"
	}
	return ""
}

func stepNote(s report.Step) string {
	switch {
	case s.Error != "":
		return ": " + s.Error
	case s.Note != "":
		return " (" + s.Note + ")"
	}
	return ""
}

// printer prints lines until the first error, which it keeps.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

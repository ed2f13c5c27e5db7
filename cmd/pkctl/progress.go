package main

import (
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// progress prints progress: each state as a line of its own, and on a terminal counts in a line that is rewritten.
type progress struct {
	w    io.Writer
	last string
	live bool // the last line is to be rewritten
}

func (p *progress) line(text string) {
	if p.live {
		fmt.Fprintln(p.w)
	}
	p.live = false
	fmt.Fprintln(p.w, text)
}

func (p *progress) rewrite(text string) {
	fmt.Fprint(p.w, "\r\x1b[K", text)
	p.live = true
}

// fetch prints an event of pulling images; how many layers there are is for terminals only.
func (p *progress) fetch(e images.Event) {
	switch {
	case e.State != images.Layers:
		p.line(e.String())
	case cli.IsTerminal(p.w):
		p.rewrite(e.String())
	}
}

// transfer prints an event of an export or import.
func (p *progress) transfer(e transfer.Event) {
	switch {
	case cli.IsTerminal(p.w) && e.Total > 0:
		p.rewrite(fmt.Sprintf("%s: %d%%", e.Text, 100*e.Done/e.Total))
	case e.Text != p.last:
		p.line(e.Text)
	}
	p.last = e.Text
}

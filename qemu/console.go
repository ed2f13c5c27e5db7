package qemu

import (
	"io"
	"regexp"
	"strings"
	"sync"
)

const (
	tailLines      = 25   // lines of the console that an error quotes
	maxConsoleLine = 4096 // bytes; full-screen programs may never end a line
)

// terminalCodes are the escape sequences of ECMA-48 without a text.
var terminalCodes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|[@-Z\\\\-_]|[0-9])")

// console records the output of the guest's serial port.
type console struct {
	mu     sync.Mutex
	out    io.Writer         // receives all bytes
	onLine func(line string) // receives each complete line, without escape sequences
	line   []byte            // last line, incomplete
	last   []string
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range p {
		if b != '\n' {
			c.line = append(c.line, b)
		}
		if b == '\n' || len(c.line) == maxConsoleLine {
			c.complete()
		}
	}
	return c.out.Write(p)
}

func (c *console) complete() {
	line := clean(string(c.line))
	c.line = c.line[:0]
	if line == "" {
		return
	}
	c.last = append(c.last, line)
	if n := len(c.last); n > tailLines {
		c.last = c.last[n-tailLines:]
	}
	c.onLine(line)
}

// tail returns the last lines.
func (c *console) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.last
	if line := clean(string(c.line)); line != "" {
		last = append(last[:len(last):len(last)], line)
	}
	return strings.Join(last, "\n")
}

// clean removes escape sequences, control characters, and replies of the agent.
func clean(line string) string {
	line, _, _ = strings.Cut(line, string(rune(recordStart)))
	line = terminalCodes.ReplaceAllString(line, "")
	line = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' {
			return -1
		}
		return r
	}, line)
	return strings.TrimSpace(line)
}

// fatal reports whether a guest that prints this line does not go on by itself.
func fatal(line string) bool {
	for _, text := range []string{
		"Kernel panic - not syncing",
		"pkinit: rebooting",
		"You are in emergency mode",
		"You are in rescue mode",
	} {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// halted reports whether the kernel prints this line when it leaves the machine to be switched off.
func halted(line string) bool {
	for _, text := range []string{"reboot: Power down", "reboot: System halted", "Reboot failed -- System halted"} {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

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
	text   strings.Builder   // all complete lines
	line   []byte            // last line, incomplete
	record bool              // the rest of the line is a reply of the agent, which no line has
	last   []string
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range p {
		c.record = b != '\n' && (c.record || b == recordStart)
		if b != '\n' && !c.record {
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
	c.text.WriteString(line + "\n")
	c.onLine(line)
}

// all returns all lines.
func (c *console) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String() + clean(string(c.line))
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

// clean removes escape sequences and control characters.
func clean(line string) string {
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

// kernelPanic reports whether the console shows a panic.
func kernelPanic(console string) bool { return strings.Contains(console, "Kernel panic - not syncing") }

// halted reports whether the kernel prints this line when it leaves the machine to be switched off.
func halted(line string) bool {
	return strings.Contains(line, "reboot: Power down") || strings.Contains(line, "System halted")
}
